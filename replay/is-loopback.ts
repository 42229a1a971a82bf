import { isIPv6 } from 'node:net'

/**
 * Whether a host, with or without the brackets that a URL has, is this machine. A name is not looked up: only
 * `localhost` is known.
 */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '')
  return /^(localhost|127(\.\d{1,3}){3})$/i.test(bare) || (isIPv6(bare) && /^[0:]+:0*1$/.test(bare))
}

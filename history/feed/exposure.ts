/**
 * Who can reach a feed, and whether that is meant. A history holds everything that a company has published:
 * beyond this machine it is given out by token and through TLS alone.
 */
import { isIPv6 } from 'node:net'
import { HistoryError } from '../errors.ts'
import { Problem } from './problem.ts'

export interface Exposure {
  readonly host: string
  readonly hasTokens: boolean
  readonly hasTls: boolean
  readonly behindTlsProxy: boolean
}

/** @throws HistoryError `HISTORY_FEED_EXPOSED`. */
export function checkExposure({ host, hasTokens, hasTls, behindTlsProxy }: Exposure): void {
  if (isLoopback(host) && !behindTlsProxy) return
  const isMissing = [
    ...(hasTokens ? [] : ['a token file']),
    ...(hasTls || behindTlsProxy
      ? []
      : ['TLS (a certificate and its key, or a proxy that does it and is named as such)']),
  ]
  if (isMissing.length === 0) return
  const where = behindTlsProxy ? 'behind a proxy' : `at ${host}, which other machines can reach,`
  throw new HistoryError(
    'HISTORY_FEED_EXPOSED',
    `A feed ${where} needs ${isMissing.join(' and ')}; or serve it at 127.0.0.1`,
  )
}

/**
 * Without tokens whoever reaches this machine's loopback may read, and a web page that is open on it would:
 * its own name may have been made to lead here. Its requests have that name.
 *
 * @throws Problem `FEED_HOST_UNKNOWN`.
 */
export function checkHost(header: string | undefined): void {
  if (header === undefined || isLoopback(header.replace(/:\d+$/, ''))) return
  throw new Problem(
    'FEED_HOST_UNKNOWN',
    'Without tokens this feed answers to 127.0.0.1, [::1] and localhost only',
  )
}

function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase()
  return (
    bare === 'localhost' || /^127(\.\d{1,3}){3}$/.test(bare) || (isIPv6(bare) && /^[0:]+:0*1$/.test(bare))
  )
}

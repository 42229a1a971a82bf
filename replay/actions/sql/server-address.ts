/** The address of a database server: `mysql://user:password@host:3306/database?ca=ca.pem`. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { isLoopback } from '../../is-loopback.ts'
import type { PluginContext } from '../../source.ts'

export interface ServerAddress {
  /** Without user, password and options. */
  readonly shown: string
  readonly isLocal: boolean
  readonly host: string
  readonly port: number
  readonly user: string | undefined
  readonly password: string | undefined
  readonly database: string | undefined
  /** Those of the query, by name. */
  readonly parameters: Readonly<Record<string, string>>
}

/**
 * @param options.password - The setting that holds it where the address does not.
 * @param options.parameters - Those it may have.
 * @throws TypeError for what is none; it does not repeat the address.
 */
export function parseServerAddress(
  address: string,
  {
    port,
    password,
    parameters,
    context,
  }: { port: number; password: string; parameters: readonly string[]; context: PluginContext },
): ServerAddress {
  const scheme = address.slice(0, address.indexOf(':'))
  if (!URL.canParse(address))
    throw new TypeError(`Expected a URL such as ${scheme}://user:password@host:${port}/database`)
  const url = new URL(address)
  const query = Object.fromEntries(url.searchParams)
  const surplus = Object.keys(query).find((name) => !parameters.includes(name))
  if (surplus !== undefined)
    throw new TypeError(`A ${scheme}:// address has no \`${surplus}\`, only ${parameters.join(', ')}`)
  const host = decoded(url.hostname.replace(/^\[|\]$/g, ''))
  return {
    shown: `${scheme}://${url.host}${url.pathname}`,
    isLocal: isThisMachine(host),
    host: host === '' ? 'localhost' : host,
    port: url.port === '' ? port : Number(url.port),
    user: decoded(url.username) || undefined,
    password: decoded(url.password) || context.setting(password),
    database: decoded(url.pathname.slice(1)) || undefined,
    parameters: query,
  }
}

/** @throws TypeError for a `%` that begins no escape; it does not repeat the text, which may be a password. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new TypeError('In an address % is written %25, in its password too')
  }
}

/** An empty host, or a path, is a socket. */
export function isThisMachine(host: string): boolean {
  return host === '' || host.startsWith('/') || isLoopback(host)
}

/** @throws TypeError where it is neither. */
export function flagParameter({ parameters }: ServerAddress, name: string): boolean | undefined {
  const value = parameters[name]
  if (value === undefined) return undefined
  if (value === 'true' || value === 'false') return value === 'true'
  throw new TypeError(`Expected \`${name}\` of the address to be true or false`)
}

/** The file that it names. @throws What reading it throws. */
export function fileParameter(
  { parameters }: ServerAddress,
  name: string,
  { cwd }: { cwd: string },
): Buffer | undefined {
  const path = parameters[name]
  return path === undefined ? undefined : readFileSync(resolve(cwd, path))
}

/**
 * Which table is written, however it is spelled: what keeps the order of a key between rules that write to one.
 *
 * Two tables that are taken for one only wait for each other; one that is taken for two loses the order. So what
 * cannot be known without asking the server is taken for the same.
 */
import { isLoopback } from '../../is-loopback.ts'

interface TableSpelling {
  /** What a name without them is in, the outermost first: database, schema. */
  readonly defaults: readonly string[]
  /** Whether `Orders` may be `orders`. */
  readonly ignoresCase: boolean
}

/** @param place - Of the database, spelled one way. */
export function tableTarget(
  place: string,
  table: readonly string[],
  { defaults, ignoresCase }: TableSpelling,
): string {
  const missing = Math.max(0, defaults.length + 1 - table.length)
  const whole = JSON.stringify([...defaults.slice(0, missing), ...table])
  return `${place} ${ignoresCase ? whole.toLowerCase() : whole}`
}

/** A server, spelled one way. */
export function serverPlace(
  dialect: string,
  { host, port }: { readonly host: string; readonly port: number | string },
): string {
  if (host.startsWith('/')) return `${dialect}:${host}`
  return `${dialect}://${host === '' || isLoopback(host) ? 'localhost' : host.toLowerCase()}:${port}`
}

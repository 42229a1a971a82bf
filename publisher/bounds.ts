/** What publisher, outbox and relay ask of their options and messages alike. */
import type { Message } from '../events/index.ts'
import { PublishError } from './errors.ts'

/** RabbitMQ 4's own limit. */
export const bodyBytesUsual = 16 * 1024 * 1024
/** What any RabbitMQ can be told to take. */
export const bodyBytesCeiling = 512 * 1024 * 1024

/** @throws TypeError that names the option. */
export function requireInteger(option: Record<string, number>, min: number, max: number): void {
  const [[name, value] = []] = Object.entries(option)
  if (!Number.isInteger(value) || value! < min || value! > max) {
    throw new TypeError(`Expected \`${name}\` to be an integer from ${min} to ${max}, got ${value}`)
  }
}

/** @throws TypeError that names the option. */
export function requireName(option: Record<string, unknown>, what: string): void {
  const [[name, value] = []] = Object.entries(option)
  if (typeof value !== 'string' || value === '') throw new TypeError(`Expected \`${name}\` to be ${what}`)
}

/** @throws PublishError `PUBLISH_TOO_LARGE`. */
export function requireSize({ body, properties }: Message, { bodyBytesMax }: { bodyBytesMax: number }): void {
  if (body.length <= bodyBytesMax) return
  throw new PublishError(
    'PUBLISH_TOO_LARGE',
    `The body has ${body.length} bytes, more than \`bodyBytesMax\` (${bodyBytesMax}); publish a reference to it`,
    { eventId: properties.messageId },
  )
}

/** @throws PublishError `PUBLISH_OUTBOX_FOREIGN` where there is none, or that of another source. */
export function knownSource(
  found: string | undefined,
  { exchange, source, where }: { exchange: string; source: string | undefined; where: string },
): string {
  if (found !== undefined && (source === undefined || source === found)) return found
  throw new PublishError(
    'PUBLISH_OUTBOX_FOREIGN',
    found === undefined
      ? `${where} has no outbox for the exchange ${exchange}: let its application open it first, with its \`source\`, or name another database`
      : `The outbox for the exchange ${exchange} in ${where} is that of ${found}: name that \`source\`, or another database`,
  )
}

export function outsideTransaction(): PublishError {
  return new PublishError(
    'PUBLISH_OUTSIDE_TRANSACTION',
    'An event is added in the transaction that it belongs to: begin one, and add the event before its commit',
  )
}

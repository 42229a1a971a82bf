/** The broker's product and version, as its side of the connection states them. */
import type { Broker } from './connection.ts'

export interface BrokerVersion {
  readonly major: number
  readonly minor: number
}

/**
 * RabbitMQ's version: `3.10.8`. Undefined for another broker, or one that does not say.
 *
 * @throws BrokerError as `openChannel()` does.
 */
export async function versionOf(broker: Broker): Promise<string | undefined> {
  const channel = await broker.openChannel()
  try {
    const { product, version } = channel.raw.connection.serverProperties
    return product === 'RabbitMQ' ? version : undefined
  } finally {
    await channel.close()
  }
}

/** @throws TypeError where the text does not begin with two numbers, such as `4.3`. */
export function parseVersion(text: string): BrokerVersion {
  const [, major, minor] = /^(\d{1,4})\.(\d{1,4})(?:[.+-]|$)/.exec(text) ?? []
  if (major === undefined) throw new TypeError(`Expected a RabbitMQ version such as 4.3, got ${text}`)
  return { major: Number(major), minor: Number(minor) }
}

export function isAtLeast(
  version: BrokerVersion,
  [major, minor]: readonly [major: number, minor: number],
): boolean {
  return version.major > major || (version.major === major && version.minor >= minor)
}

/** Stable codes of this folder's errors; a code never changes its meaning. */
export type BrokerErrorCode =
  | 'BROKER_ACCESS_REFUSED'
  | 'BROKER_BINDINGS_UNKNOWN'
  | 'BROKER_CHANNEL_LOST'
  | 'BROKER_CLOSED'
  | 'BROKER_EXCHANGE_MISSING'
  | 'BROKER_MANAGEMENT_INVALID'
  | 'BROKER_QUEUE_BUSY'
  | 'BROKER_PLUGIN_MISSING'
  | 'BROKER_QUEUE_LOST'
  | 'BROKER_TOPOLOGY_MISMATCH'
  | 'BROKER_UNREACHABLE'

/** What RabbitMQ refused, or the loss of it. `cause` holds the client's own error. */
export class BrokerError extends Error {
  readonly code: BrokerErrorCode

  constructor(code: BrokerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BrokerError'
    this.code = code
  }

  /** True where trying again cannot help; false where it is a matter of the broker being away. */
  get isPermanent(): boolean {
    return permanentCodes.has(this.code)
  }
}

const permanentCodes: ReadonlySet<BrokerErrorCode> = new Set([
  'BROKER_ACCESS_REFUSED',
  'BROKER_BINDINGS_UNKNOWN',
  'BROKER_CLOSED',
  'BROKER_MANAGEMENT_INVALID',
  'BROKER_QUEUE_BUSY',
  'BROKER_PLUGIN_MISSING',
  'BROKER_TOPOLOGY_MISMATCH',
])

/** AMQP 0-9-1 reply codes that are about rights or about what exists. */
export const replyCodes = {
  accessRefused: 403,
  notFound: 404,
  resourceLocked: 405,
  preconditionFailed: 406,
} as const

/** The AMQP reply code of the client's error, undefined where it has none. */
export function replyCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined
  const { code } = error as { code?: unknown }
  return typeof code === 'number' ? code : undefined
}

/**
 * True where the broker closed the connection while it was being opened: user, password or virtual host.
 * The client tells this by its message alone, with the reply code in it for a login and none for a
 * virtual host.
 */
export function isRefusedLogin(error: Error): boolean {
  return /terminated by server: (403|530) |ConnectionOpenOk; got <ConnectionClose/.test(error.message)
}

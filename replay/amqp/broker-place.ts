/** The broker that a source or an action names, or else the one of the process around it. */
import { type Broker, BrokerError, connectBroker, redactUrl } from '../../broker/index.ts'
import { isLoopback } from '../is-loopback.ts'
import type { PluginOptions } from '../options.ts'
import type { PluginContext } from '../source.ts'

/** Longest wait for a connection, or a channel of one. */
export const connectTimeoutMs = 10_000
const reconnectMs = 250

export const brokerOption = {
  broker: 'URL of the broker, or several of one cluster; default: as all commands find it',
}

export class BrokerPlace {
  readonly #given: readonly string[] | undefined
  readonly #context: PluginContext
  #urls: readonly string[] | undefined

  /** @throws TypeError for an option `broker` that is no URL or list of URLs. */
  constructor(options: PluginOptions, context: PluginContext) {
    this.#given = options.texts('broker')
    this.#context = context
    this.#urls = this.#given
  }

  /** Whether it is on this machine; false until `locate` has found it. */
  get isLocal(): boolean {
    return this.#urls?.every((url) => URL.canParse(url) && isLoopback(new URL(url).hostname)) === true
  }

  get address(): string {
    return this.#urls === undefined ? '' : this.#urls.map(redactUrl).join(', ')
  }

  async locate(): Promise<readonly string[]> {
    this.#urls ??= await this.#context.brokers()
    return this.#urls
  }

  /** @throws BrokerError `BROKER_UNREACHABLE`, `BROKER_ACCESS_REFUSED`. TypeError for what is no URL of a broker. */
  async connect(): Promise<Broker> {
    const { runId, logger } = this.#context
    const name = `backstory replay ${runId}`
    const broker = connectBroker({ url: await this.locate(), name, reconnectMs, logger })
    try {
      await broker.connected({ timeoutMs: connectTimeoutMs })
      return broker
    } catch (error) {
      await broker.close()
      throw error
    }
  }
}

/** Runs what asks something of the broker; its errors are what `wrap` makes of them. */
export async function asked<Answer>(
  ask: () => Promise<Answer>,
  wrap: (message: string, cause: unknown) => Error,
): Promise<Answer> {
  try {
    return await ask()
  } catch (cause) {
    if (cause instanceof BrokerError) throw wrap(cause.message, cause)
    throw cause
  }
}

/**
 * RabbitMQ's management HTTP API, read only: bindings, whole arguments and policies, which AMQP does not tell.
 *
 * What a queue's process says of itself (policy, consumers) reaches this API up to 10 s late; of a queue
 * declared a moment ago it is undefined, which is not the same as none. User and password are sent to the
 * host that was named and to no other, and stand in no message.
 */
import { BrokerError } from './errors.ts'

export interface ManagedExchange {
  readonly type: string
  readonly durable: boolean
  readonly autoDelete: boolean
  readonly internal: boolean
  readonly arguments: Arguments
  /** The name of the policy that applies; undefined where none does. */
  readonly policy: string | undefined
}

export interface ManagedQueue {
  readonly durable: boolean
  readonly autoDelete: boolean
  readonly exclusive: boolean
  readonly arguments: Arguments
  /** What policies and operator policies set; undefined while that is not known. */
  readonly policy: Arguments | undefined
  /** Names of the policies behind it. */
  readonly policyNames: readonly string[]
  readonly consumers: readonly ManagedConsumer[]
}

/** A node of the cluster. */
export interface ManagedNode {
  readonly name: string
  readonly isRunning: boolean
  /** Publishers are blocked while one of these rings. */
  readonly memoryAlarm: boolean
  readonly diskAlarm: boolean
  readonly diskFreeBytes: number | undefined
  /** Nodes that it has lost, and has not joined again. */
  readonly partitions: readonly string[]
  readonly plugins: readonly string[]
}

export interface ManagedConsumer {
  /** Messages not acknowledged at a time; 0 for any number. */
  readonly prefetch: number
  readonly channel: string
}

export interface Destination {
  readonly name: string
  readonly type: 'queue' | 'exchange'
  readonly routingKey: string
  readonly arguments: Readonly<Record<string, string | number | boolean>>
}

export type Arguments = Readonly<Record<string, unknown>>

const responseBytesMax = 4 * 1_024 * 1_024

export class ManagementApi {
  readonly #origin: string
  readonly #path: string
  readonly #virtualHost: string
  readonly #authorization: string | undefined
  readonly #timeoutMs: number
  #clockAheadMs: number | undefined

  /**
   * @param options.timeoutMs - For each answer, whole. Default 5,000.
   * @throws TypeError where `url` is no http: or https: URL; the message shows no password.
   */
  constructor(url: string, { virtualHost, timeoutMs = 5_000 }: { virtualHost: string; timeoutMs?: number }) {
    const parsed = URL.canParse(url) ? new URL(url) : undefined
    if (parsed === undefined || !['http:', 'https:'].includes(parsed.protocol)) {
      throw new TypeError('Expected `management` to be a URL such as http://user:password@host:15672')
    }
    const { username, password, origin, pathname } = parsed
    this.#origin = origin
    // Behind a proxy it may have a path of its own.
    this.#path = pathname.replace(/\/$/, '')
    this.#timeoutMs = timeoutMs
    this.#virtualHost = encodeURIComponent(virtualHost)
    const credentials = Buffer.from(`${decoded(username)}:${decoded(password)}`)
    if (username !== '') this.#authorization = `Basic ${credentials.toString('base64')}`
  }

  /** Undefined where there is none of that name. @throws BrokerError as every method here: see `#get()`. */
  async exchange(name: string): Promise<ManagedExchange | undefined> {
    const found = await this.#get(`exchanges/${this.#virtualHost}/${encodeURIComponent(name)}`)
    if (found === undefined) return undefined
    const exchange = recordOf(found)
    return {
      type: String(exchange.type),
      durable: exchange.durable === true,
      autoDelete: exchange.auto_delete === true,
      internal: exchange.internal === true,
      arguments: recordOf(exchange.arguments),
      policy: textOf(exchange.policy),
    }
  }

  async queue(name: string): Promise<ManagedQueue | undefined> {
    const found = await this.#get(`queues/${this.#virtualHost}/${encodeURIComponent(name)}`)
    if (found === undefined) return undefined
    const queue = recordOf(found)
    const { effective_policy_definition: policy } = queue
    return {
      durable: queue.durable === true,
      autoDelete: queue.auto_delete === true,
      exclusive: queue.exclusive === true,
      arguments: recordOf(queue.arguments),
      policy: policy === undefined ? undefined : recordOf(policy),
      policyNames: [queue.policy, queue.operator_policy].flatMap((one) => textOf(one) ?? []),
      consumers: listOf(queue.consumer_details).map(consumerOf),
    }
  }

  /** What the exchange routes to. */
  async destinations(exchange: string): Promise<Destination[]> {
    const path = `exchanges/${this.#virtualHost}/${encodeURIComponent(exchange)}/bindings/source`
    return listOf(await this.#get(path)).map((found) => {
      const {
        destination,
        destination_type: type,
        routing_key: routingKey,
        arguments: given,
      } = recordOf(found)
      return {
        name: String(destination),
        type: type === 'exchange' ? 'exchange' : 'queue',
        routingKey: textOf(routingKey) ?? '',
        arguments: recordOf(given) as Destination['arguments'],
      }
    })
  }

  /** What a policy sets; undefined where it may not be read. */
  async policy(name: string): Promise<Arguments | undefined> {
    const path = `policies/${this.#virtualHost}/${encodeURIComponent(name)}`
    try {
      return recordOf(recordOf(await this.#get(path)).definition)
    } catch (error) {
      // Policies ask for more rights than queues do.
      if (error instanceof BrokerError && error.code === 'BROKER_ACCESS_REFUSED') return undefined
      throw error
    }
  }

  async nodes(): Promise<ManagedNode[]> {
    return listOf(await this.#get('nodes')).map(nodeOf)
  }

  /** Deprecated features that are in use; undefined where this version does not tell. */
  async deprecatedInUse(): Promise<string[] | undefined> {
    const found = await this.#get('deprecated-features/used')
    return found === undefined ? undefined : listOf(found).map((one) => String(recordOf(one).name))
  }

  /**
   * By how much the broker's clock was ahead of ours in its last answer, in milliseconds, to about a second;
   * undefined before one.
   */
  get clockAheadMs(): number | undefined {
    return this.#clockAheadMs
  }

  /**
   * The prefetch that the consumers of a channel share; undefined where the channel is not known (yet),
   * `untold` where it is and this version does not say, as RabbitMQ 4 does not.
   */
  async globalPrefetch(channel: string): Promise<number | 'untold' | undefined> {
    const { prefetch_count: own, global_prefetch_count: shared } = recordOf(
      await this.#get(`channels/${encodeURIComponent(channel)}`),
    )
    if (typeof shared === 'number') return shared
    return typeof own === 'number' ? 'untold' : undefined
  }

  /**
   * @returns Undefined for 404.
   * @throws BrokerError `BROKER_UNREACHABLE` where nothing answers in time; `BROKER_ACCESS_REFUSED` for
   *   user, password and rights; `BROKER_MANAGEMENT_INVALID` for any other answer, or one that is too long.
   */
  async #get(path: string): Promise<unknown> {
    const address = `${this.#origin}${this.#path}/api/${path}`
    const response = await this.#answer(address)
    if (response.status === 404) return undefined
    if (response.status === 401 || response.status === 403) {
      throw new BrokerError(
        'BROKER_ACCESS_REFUSED',
        `The management API at ${this.#origin} refused ${path} (${response.status}): check user, password and that the user has the tag monitoring`,
      )
    }
    if (!response.ok) throw this.#invalid(`answered ${path} with ${response.status}`)
    return this.#parse(path, await this.#body(path, response))
  }

  async #answer(address: string): Promise<Response> {
    const headers = {
      accept: 'application/json',
      ...(this.#authorization && { authorization: this.#authorization }),
    }
    try {
      const response = await fetch(address, {
        headers,
        redirect: 'manual',
        signal: AbortSignal.timeout(this.#timeoutMs),
      })
      const date = Date.parse(response.headers.get('date') ?? '')
      // It says whole seconds: the middle of that one.
      if (!Number.isNaN(date)) this.#clockAheadMs = date + 500 - Date.now()
      return response
    } catch (cause) {
      throw this.#unreachable(cause)
    }
  }

  async #body(path: string, response: Response): Promise<string> {
    const parts: Uint8Array[] = []
    let bytes = 0
    try {
      for await (const part of response.body ?? []) {
        bytes += part.length
        if (bytes > responseBytesMax) break
        parts.push(part)
      }
    } catch (cause) {
      throw this.#unreachable(cause)
    }
    if (bytes > responseBytesMax)
      throw this.#invalid(`answered ${path} with more than ${responseBytesMax} bytes`)
    return Buffer.concat(parts).toString()
  }

  #parse(path: string, body: string): unknown {
    try {
      return JSON.parse(body)
    } catch (cause) {
      throw this.#invalid(`answered ${path} with no JSON`, cause)
    }
  }

  #unreachable(cause: unknown): BrokerError {
    const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
    const reason = inner instanceof Error ? inner.message : String(inner)
    return new BrokerError(
      'BROKER_UNREACHABLE',
      `No management API answered at ${this.#origin} within ${this.#timeoutMs} ms (${reason}); enable the plugin rabbitmq_management, or name another address`,
      { cause },
    )
  }

  #invalid(what: string, cause?: unknown): BrokerError {
    return new BrokerError(
      'BROKER_MANAGEMENT_INVALID',
      `${this.#origin} ${what}: is that RabbitMQ's management API?`,
      { cause },
    )
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // Not encoded, then: a lone % stands for itself.
    return text
  }
}

function nodeOf(found: unknown): ManagedNode {
  const node = recordOf(found)
  return {
    name: String(node.name),
    isRunning: node.running === true,
    memoryAlarm: node.mem_alarm === true,
    diskAlarm: node.disk_free_alarm === true,
    diskFreeBytes: typeof node.disk_free === 'number' ? node.disk_free : undefined,
    partitions: listOf(node.partitions).map(String),
    plugins: listOf(node.enabled_plugins).map(String),
  }
}

function consumerOf(found: unknown): ManagedConsumer {
  const { prefetch_count: prefetch, channel_details: channel } = recordOf(found)
  return { prefetch: typeof prefetch === 'number' ? prefetch : 0, channel: String(recordOf(channel).name) }
}

/** RabbitMQ writes an empty object as `[]` here and there. */
function recordOf(found: unknown): Readonly<Record<string, unknown>> {
  return typeof found === 'object' && found !== null && !Array.isArray(found)
    ? (found as Record<string, unknown>)
    : {}
}

function listOf(found: unknown): readonly unknown[] {
  return Array.isArray(found) ? found : []
}

function textOf(found: unknown): string | undefined {
  return typeof found === 'string' && found !== '' ? found : undefined
}

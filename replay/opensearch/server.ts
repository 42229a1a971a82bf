/**
 * A server of OpenSearch or Elasticsearch, by HTTP alone: requests of its REST interface, and their answers, whose
 * length is bounded. Redirects are not followed: they would take the password elsewhere.
 */
import { ReplayError } from '../errors.ts'
import { retryAfterMs } from '../http/retry-after.ts'
import { isLoopback } from '../is-loopback.ts'
import type { PluginOptions } from '../options.ts'
import { headerSecrets, Secrets } from '../secrets.ts'
import type { PluginTarget } from '../source.ts'

export type Flavor = 'opensearch' | 'elasticsearch'

export interface ServerRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'DELETE'
  /** Behind the address of the server, with its query: `orders/_bulk?refresh=true`. */
  readonly path: string
  readonly body?: string
  /** Default JSON. */
  readonly contentType?: string
  readonly signal?: AbortSignal
  /** Bytes of the answer. Default 16 MiB. */
  readonly answerMax?: number
}

export interface ServerAnswer {
  readonly status: number
  readonly text: string
  readonly retryAfterMs: number | undefined
}

export const serverOptions = {
  user: 'User, with passwordSetting',
  passwordSetting: 'Name of the setting that holds the password',
  apiKeySetting: 'Name of the setting that holds an API key, encoded, in place of a user',
  timeoutMs: 'Longest wait for an answer in milliseconds; default 60000',
} as const

const answerMaxDefault = 16 * 1024 * 1024
const timeoutMsDefault = 60_000

/** An answer that is longer than was allowed. */
export class LongAnswerError extends Error {}

export class Server {
  readonly flavor: Flavor
  readonly index: string
  /** Without user and password. */
  readonly name: string
  readonly isLocal: boolean
  readonly #base: URL
  readonly #authorization: string | undefined
  readonly #secrets: Secrets
  readonly #timeoutMs: number

  /** @throws TypeError for an address, or options, that cannot be. */
  constructor({ address, context }: PluginTarget, options: PluginOptions) {
    const [, flavor, rest] = /^(opensearch|elasticsearch)\+(https?:\/\/.*)$/i.exec(address) ?? []
    if (rest === undefined || !URL.canParse(rest))
      throw new TypeError('Expected an address such as opensearch+https://host:9200/INDEX')
    const url = new URL(rest)
    const [, folder, index] = /^(.*\/)([^/]+)$/.exec(url.pathname) ?? []
    if (index === undefined) throw new TypeError('The address ends in no index: …://host:9200/INDEX')
    if (url.search !== '' || url.hash !== '')
      throw new TypeError('The address has more than a server and an index')
    const setting = (name: string | undefined): string | undefined => {
      if (name === undefined) return undefined
      const value = context.setting(name)
      if (value === undefined) throw new TypeError(`The setting ${name} is not there`)
      return value
    }
    const user = options.text('user') ?? (decodeURIComponent(url.username) || undefined)
    const password = setting(options.text('passwordSetting')) ?? decodeURIComponent(url.password)
    const apiKey = setting(options.text('apiKeySetting'))
    if (user !== undefined && apiKey !== undefined)
      throw new TypeError('Expected a user or an API key, not both')
    if (user !== undefined)
      this.#authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
    if (apiKey !== undefined) this.#authorization = `ApiKey ${apiKey}`
    this.#secrets = new Secrets(headerSecrets(this.#authorization ?? ''))
    this.#timeoutMs = options.whole('timeoutMs', { min: 1, max: 2_000_000 }) ?? timeoutMsDefault
    this.#base = new URL(folder!, url.origin)
    this.flavor = flavor!.toLowerCase() as Flavor
    this.index = decodeURIComponent(index)
    this.name = `${this.flavor}+${url.origin}${url.pathname}`
    this.isLocal = isLoopback(url.hostname)
  }

  /** Where a request goes, for a dry run. */
  urlOf(path: string): string {
    return new URL(path, this.#base).href
  }

  /** As a part of a path. */
  get indexPath(): string {
    return encodeURIComponent(this.index)
  }

  /**
   * @returns An answer of any status.
   * @throws The network's error, `LongAnswerError`, or what `signal` was aborted with.
   */
  async send({
    method,
    path,
    body,
    contentType = 'application/json',
    signal,
    answerMax = answerMaxDefault,
  }: ServerRequest): Promise<ServerAnswer> {
    const timeout = AbortSignal.timeout(this.#timeoutMs)
    const response = await fetch(this.urlOf(path), {
      method,
      redirect: 'manual',
      headers: {
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': contentType }),
        ...(this.#authorization && { authorization: this.#authorization }),
      },
      ...(body !== undefined && { body }),
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    })
    const text = await textOf(response, answerMax)
    return {
      status: response.status,
      // A proxy before it may say back what it was sent.
      text: response.ok ? text : this.#secrets.hide(text),
      retryAfterMs: retryAfterMs(response.headers.get('retry-after') ?? undefined),
    }
  }
}

async function textOf(response: Response, max: number): Promise<string> {
  if (response.body === null) return ''
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body) {
    bytes += chunk.length
    // Leaving the loop ends the connection.
    if (bytes > max) throw new LongAnswerError(`The answer is longer than ${max} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** What an answer says went wrong: the type is the service's own code. */
export function errorOf({ status, text }: ServerAnswer): { readonly code: string; readonly message: string } {
  let error: unknown
  try {
    error = (JSON.parse(text) as { error?: unknown } | null)?.error
  } catch {
    // A proxy before it answers in HTML.
  }
  const { type, reason } = (typeof error === 'object' && error !== null ? error : {}) as Record<
    string,
    unknown
  >
  return {
    code: typeof type === 'string' ? type : `HTTP ${status}`,
    message: typeof reason === 'string' ? reason : `It answered with status ${status}`,
  }
}

/** The error that says why a network failed; `fetch` puts it into the cause. */
export function networkError(error: unknown): { readonly code: string; readonly message: string } {
  const { name, message, cause } = error as Error
  const { code, message: why } = (cause ?? {}) as { code?: string; message?: string }
  if (name === 'TimeoutError') return { code: 'ETIMEDOUT', message: 'no answer in time' }
  return { code: code ?? 'NETWORK', message: why ?? message }
}

/** @throws ReplayError of that code where it is no 2xx. */
export function requireOk(
  server: Server,
  answer: ServerAnswer,
  code:
    | 'REPLAY_SOURCE_UNAVAILABLE'
    | 'REPLAY_SOURCE_INVALID'
    | 'REPLAY_ACTION_UNAVAILABLE'
    | 'REPLAY_ACTION_INVALID',
): void {
  if (answer.status >= 200 && answer.status < 300) return
  const { code: type, message } = errorOf(answer)
  throw new ReplayError(code, `${server.name}: ${message} (${type})`)
}

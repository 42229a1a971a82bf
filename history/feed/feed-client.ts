/**
 * Asks a feed: one request, one whole answer or a HistoryError. It does not try again by itself: its caller
 * knows how long to wait. The token goes into a header, and into no message.
 */
import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { HistoryError } from '../errors.ts'
import { type ToldProblem, toldError } from './told-error.ts'

export interface FeedAccess {
  readonly token?: string
  /** PEM of the authority that signed the feed's certificate. Default: those that Node trusts. */
  readonly ca?: string | Buffer
}

export interface FeedRequest {
  readonly method?: 'GET' | 'POST'
  /** From the feed's base, with its query. */
  readonly path: string
  readonly accept?: string
  readonly json?: unknown
}

export interface FeedAnswer {
  readonly type: string
  readonly body: Buffer
}

/** A `4xx` of the feed that a caller may expect. */
export class FeedRefusal extends Error {
  readonly code: string

  constructor(code: string, detail: string) {
    super(detail)
    this.code = code
  }
}

export class FeedClient {
  readonly #base: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #agent: HttpAgent
  readonly #send: typeof httpRequest
  readonly #closing = new AbortController()

  constructor(base: string, { token, ca }: FeedAccess) {
    this.#base = base
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const isTls = base.startsWith('https:')
    this.#agent = isTls ? new HttpsAgent({ ...agentOptions, ca }) : new HttpAgent(agentOptions)
    this.#send = isTls ? httpsRequest : httpRequest
  }

  /**
   * @throws FeedRefusal for a 404 with a code of the feed; HistoryError `HISTORY_UNAVAILABLE`,
   *   `HISTORY_DENIED`, `HISTORY_FOREIGN`, `HISTORY_TOO_NEW`, `HISTORY_CLOSED`, and what the feed itself has
   *   met with its history.
   */
  async ask(request: FeedRequest): Promise<FeedAnswer> {
    if (this.#closing.signal.aborted) throw this.#closed()
    try {
      return await this.#ask(request)
    } catch (error) {
      if (this.#closing.signal.aborted) throw this.#closed()
      if (error instanceof HistoryError || error instanceof FeedRefusal) throw error
      throw this.#networkError(error as NodeJS.ErrnoException)
    }
  }

  close(): void {
    this.#closing.abort()
    this.#agent.destroy()
  }

  async #ask(request: FeedRequest): Promise<FeedAnswer> {
    const response = await this.#exchange(request)
    const body = await bodyOf(response)
    const type = (response.headers['content-type'] ?? '').split(';', 1)[0]!
    if (response.statusCode === 200) return { type, body }
    throw this.#refusal(response, { type, body })
  }

  /** A connection that was kept alive may end just as it is used again: that request goes out once more. */
  async #exchange(asked: FeedRequest): Promise<IncomingMessage> {
    try {
      return await this.#request(asked)
    } catch (error) {
      if (!(error as { isReused?: boolean }).isReused) throw error
      return await this.#request(asked)
    }
  }

  #request({
    method = 'GET',
    path,
    accept = 'application/json',
    json,
  }: FeedRequest): Promise<IncomingMessage> {
    const body = json === undefined ? undefined : JSON.stringify(json)
    const options: RequestOptions = {
      method,
      agent: this.#agent,
      headers: {
        ...this.#headers,
        accept,
        ...(body !== undefined && {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        }),
      },
      signal: this.#closing.signal,
      timeout: silenceMs,
    }
    return new Promise((resolve, reject) => {
      const request = this.#send(`${this.#base}${path}`, options, resolve)
      request.on('timeout', () => request.destroy(new Error(`no answer within ${silenceMs / 1_000} s`)))
      request.on('error', (error: NodeJS.ErrnoException) => {
        const isReused = request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
        reject(isReused ? Object.assign(new Error(error.message), { isReused }) : error)
      })
      request.end(body)
    })
  }

  #refusal({ statusCode: status = 0, headers }: IncomingMessage, { type, body }: FeedAnswer): Error {
    const problem = type === 'application/problem+json' ? problemIn(body) : undefined
    const base = this.#base
    const what = problem?.detail ?? `status ${status}`
    if (status === 401 || status === 403) {
      return new HistoryError(
        'HISTORY_DENIED',
        `${base} denies access: ${what}. Give the reader a token of this feed`,
      )
    }
    if (problem?.code.startsWith('HISTORY_')) return toldError(problem, base)
    if (status >= 500 || status === 408 || status === 429) {
      return new HistoryError('HISTORY_UNAVAILABLE', `${base} cannot answer now: ${what}`)
    }
    if (status === 404 && problem !== undefined && problem.code !== 'FEED_PATH_UNKNOWN') {
      return new FeedRefusal(problem.code, what)
    }
    if (problem !== undefined) {
      return new HistoryError(
        'HISTORY_TOO_NEW',
        `${base} is of another version: ${what}; install the same on both sides`,
      )
    }
    const hint = headers.location === undefined ? '' : `, it leads to ${headers.location}`
    return new HistoryError(
      'HISTORY_FOREIGN',
      `${base} is no feed of a history (status ${status}${hint}); name another address`,
    )
  }

  #networkError(cause: NodeJS.ErrnoException): HistoryError {
    const base = this.#base
    if (certificateFailures.test(cause.code ?? '')) {
      return new HistoryError(
        'HISTORY_DENIED',
        `${base} shows a certificate that is not trusted here (${cause.message}): give the reader its authority (\`ca\`, or NODE_EXTRA_CA_CERTS)`,
        { cause },
      )
    }
    return new HistoryError(
      'HISTORY_UNAVAILABLE',
      `${base} cannot be reached now (${cause.message || cause.code}): look whether \`backstory serve\` runs there`,
      { cause },
    )
  }

  #closed(): HistoryError {
    return new HistoryError('HISTORY_CLOSED', `The reader of ${this.#base} was closed`)
  }
}

const silenceMs = 30_000
const agentOptions = { keepAlive: true, maxSockets: 8 }
const certificateFailures = /CERT|^UNABLE_TO_|^ERR_TLS_|^SELF_SIGNED/

/** A page of 16 MiB is over with an event that RabbitMQ may let be 512 MiB; what has no end is no answer. */
const answerBytesMax = 1024 ** 3

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let left = answerBytesMax
  if (Number(response.headers['content-length']) > left) response.destroy(tooLong())
  for await (const chunk of response as AsyncIterable<Buffer>) {
    left -= chunk.length
    if (left < 0) throw tooLong()
    chunks.push(chunk)
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}

function tooLong(): Error {
  return new Error(`its answer is longer than ${answerBytesMax} bytes`)
}

function problemIn(body: Buffer): ToldProblem | undefined {
  try {
    const { code, detail } = JSON.parse(body.toString()) as { code?: unknown; detail?: unknown }
    return { code: String(code), detail: String(detail) }
  } catch {
    return undefined
  }
}

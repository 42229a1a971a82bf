/** A request as a route sees it: its parts decoded, who asks, and ways to answer. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { StreamedAnswer, type StreamOptions } from './answer.ts'
import type { Limits } from './limits.ts'
import { Problem, problemType } from './problem.ts'
import { type Parameters, type Query, readQuery } from './query.ts'

export class Call {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The path's segments as they were sent. */
  readonly segments: readonly string[]
  readonly #search: string
  readonly #gone = new AbortController()
  readonly #ended = new AbortController()

  /** @throws Problem `FEED_PATH_UNKNOWN` for what is no path. */
  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request
    this.response = response
    response.once('close', () => {
      this.#gone.abort()
      this.end()
    })
    // A proxy may send the whole URL.
    const target = (request.url ?? '').replace(/^https?:\/\/[^/?]*/i, '')
    const [path = '', ...search] = target.split('?')
    this.segments = path.split('/').slice(1)
    this.#search = search.join('?')
  }

  /** Aborted once nobody waits for the answer any more. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /** Aborted once an answer that would stay is to come to its end: the feed closes, or nobody is there. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  end(): void {
    this.#ended.abort()
  }

  query<const P extends Parameters>(parameters: P): Query<P> {
    return readQuery(this.#search, parameters)
  }

  accepts(type: string): boolean {
    return (this.request.headers.accept ?? '').toLowerCase().includes(type)
  }

  /** The body as JSON. @throws Problem `FEED_BODY_TOO_LARGE`, `FEED_REQUEST_MALFORMED`. */
  async json({ bodyBytesMax }: Pick<Limits, 'bodyBytesMax'>): Promise<unknown> {
    const { request } = this
    const tooLarge = () =>
      new Problem('FEED_BODY_TOO_LARGE', `A request may have ${bodyBytesMax} bytes`, {
        headers: { connection: 'close' },
      })
    if (Number(request.headers['content-length'] ?? 0) > bodyBytesMax) throw tooLarge()
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > bodyBytesMax) throw tooLarge()
      chunks.push(chunk)
    }
    try {
      return JSON.parse(Buffer.concat(chunks).toString())
    } catch (cause) {
      throw new Problem('FEED_REQUEST_MALFORMED', 'The body is no JSON', { cause })
    }
  }

  /** Answers with a value as JSON, or with what is written already, which its type tells. */
  send(value: object | string, { type = 'application/json', headers = {} }: SendOptions = {}): void {
    const isWritten = typeof value === 'string' || Buffer.isBuffer(value)
    this.#send(isWritten ? value : `${JSON.stringify(value)}\n`, { status: 200, type, headers })
  }

  sendProblem(problem: Problem): void {
    const { status, headers } = problem
    this.#send(`${JSON.stringify(problem)}\n`, { status, type: problemType, headers })
  }

  /** Begins an answer that is sent piece by piece. */
  stream(options: Omit<StreamOptions, 'gone'>): StreamedAnswer {
    return new StreamedAnswer(this.request, this.response, { ...options, gone: this.gone })
  }

  #send(body: string | Buffer, { status, type, headers }: Required<SendOptions> & { status: number }): void {
    this.response
      .writeHead(status, {
        'content-type': type,
        'content-length': Buffer.byteLength(body),
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        ...headers,
      })
      .end(body)
  }
}

type Headers = Readonly<Record<string, string>>

interface SendOptions {
  readonly type?: string
  readonly headers?: Headers
}

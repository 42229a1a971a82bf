/**
 * Sends requests to one URL, over connections that are kept open: one request, one answer. Redirects are not
 * followed, and nothing is tried again but what never reached the server.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { connect as netConnect, type Socket } from 'node:net'
import { connect as tlsConnect } from 'node:tls'

export interface HttpRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly signal: AbortSignal
}

export interface HttpAnswer {
  readonly status: number
  /** Of several of one name, the first. */
  header(name: string): string | undefined
  /** The beginning of the body. */
  readonly text: string
}

/** Of a body, for a message. */
const textBytesMax = 2 * 1024
/** A longer one costs the connection, which is cheaper than to read it. */
const bodyBytesMax = 64 * 1024
const connectMs = 5_000

export class HttpClient {
  readonly #url: URL
  readonly #timeoutMs: number
  readonly #agent: HttpAgent
  readonly #request: typeof httpRequest

  constructor(url: URL, { timeoutMs }: { readonly timeoutMs: number }) {
    const isTls = url.protocol === 'https:'
    this.#url = url
    this.#timeoutMs = timeoutMs
    this.#agent = new (isTls ? HttpsAgent : HttpAgent)({ keepAlive: true })
    this.#request = isTls ? httpsRequest : httpRequest
  }

  /** Resolves when a connection stands, with TLS where the URL has it; sends nothing. @throws Why it does not. */
  async check(): Promise<void> {
    const { hostname, port, protocol } = this.#url
    const host = hostname.replace(/^\[|\]$/g, '')
    const isTls = protocol === 'https:'
    const at = { host, port: Number(port || (isTls ? 443 : 80)) }
    const isName = !/^[\d.]+$|:/.test(host)
    await new Promise<void>((resolve, reject) => {
      const socket: Socket = isTls
        ? tlsConnect({ ...at, ...(isName && { servername: host }) }, resolve)
        : netConnect(at, resolve)
      socket.setTimeout(connectMs, () => socket.destroy(timeoutError(connectMs)))
      socket.on('error', reject)
      // The first request makes one of its own: this one may be dropped by then.
      socket.once(isTls ? 'secureConnect' : 'connect', () => socket.destroy())
    })
  }

  /** @throws The error of the network; `ETIMEDOUT` where no answer has begun in time; what `signal` was aborted with. */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    try {
      return await this.#send(request)
    } catch (error) {
      // The server closed a connection that was kept just as it was used again: it has seen nothing.
      if (!(error instanceof ReusedConnectionError)) throw error
      return await this.#send(request)
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  async #send({ method, headers, body, signal }: HttpRequest): Promise<HttpAnswer> {
    signal.throwIfAborted()
    let timer: NodeJS.Timeout | undefined
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const options = { method, headers, agent: this.#agent, signal }
        const request = this.#request(this.#url, options, (answer) => {
          // What goes wrong with the rest of an answer is no error: what came of the request is known.
          answer.on('error', () => {})
          resolve(answer)
        })
        timer = setTimeout(() => request.destroy(timeoutError(this.#timeoutMs)), this.#timeoutMs)
        request.on('error', (error: NodeJS.ErrnoException) => {
          const isReused = request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
          reject(isReused ? new ReusedConnectionError(error.message, { cause: error }) : error)
        })
        request.end(body)
      })
      const text = await beginningOf(response)
      return {
        status: response.statusCode!,
        header: (name) => [response.headers[name]].flat()[0],
        text,
      }
    } finally {
      clearTimeout(timer)
    }
  }
}

class ReusedConnectionError extends Error {}

/** Reads all of a body, so that its connection can be used again, where it is not too long. */
async function beginningOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      if (bytes < textBytesMax) chunks.push(chunk.subarray(0, textBytesMax - bytes))
      bytes += chunk.length
      if (bytes > bodyBytesMax) break
    }
  } catch {
    // Cut off, or too slow: what came of the request is known.
  }
  return Buffer.concat(chunks).toString()
}

function timeoutError(ms: number): Error {
  return Object.assign(new Error(`no answer within ${ms} ms`), { code: 'ETIMEDOUT' })
}

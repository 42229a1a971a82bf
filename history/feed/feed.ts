/**
 * The feed: histories over HTTP, for other hosts and other languages. It only reads.
 *
 * Nothing that is sent to it ends it: what it cannot take is answered with a problem, and what is never
 * finished is cut. It reads a history no faster than the one who asked takes it.
 */
import { once } from 'node:events'
import { createServer as createHttpServer, type Server, STATUS_CODES } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Logger, silentLogger } from '../../events/index.ts'
import { HistoryError } from '../errors.ts'
import { openHistory } from '../open-history.ts'
import type { HistoryReader } from '../reader.ts'
import { Call } from './call.ts'
import { checkExposure, checkHost } from './exposure.ts'
import { FeedCounts, type FeedStatus, metricsText } from './feed-status.ts'
import { type FeedLimits, type Limits, resolveLimits } from './limits.ts'
import { Problem, type ProblemCode, problemOf, problemStatus, problemType } from './problem.ts'
import { type Feeding, type Route, routeOf } from './routes.ts'
import { ServedHistories } from './served-histories.ts'
import { type Grant, Tokens } from './tokens.ts'

export interface FeedOptions {
  /** Addresses of histories, or readers to share, which `close()` then leaves open. One for each exchange. */
  readonly histories: readonly (string | HistoryReader)[]
  /** 0 takes a free one, which `url` tells. */
  readonly port: number
  /** Default `127.0.0.1`. Any other than a loopback address needs tokens, and TLS here or at a proxy. */
  readonly host?: string
  /** Path of a file with a `name:token` a line. Default: none, and whoever reaches the address may read. */
  readonly tokenFile?: string
  /** PEM. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer }
  /** Says that a proxy in front of it does TLS. Default false. */
  readonly behindTlsProxy?: boolean
  readonly limits?: FeedLimits
  readonly logger?: Logger
}

export interface Feed {
  /** Such as `http://127.0.0.1:9480`. */
  readonly url: string
  readonly status: FeedStatus
  /**
   * Takes no more requests and ends streams in good order, each with its mark; those that are not at their
   * end by then are cut.
   *
   * @param options.drainMs - How long they have, in milliseconds. Default 5,000.
   */
  close(options?: { readonly drainMs?: number }): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Serves histories over HTTP; docs/feed.md tells the routes.
 *
 * @throws TypeError for an option out of its range; HistoryError `HISTORY_FEED_EXPOSED` where others could
 *   read along, `HISTORY_FEED_UNAVAILABLE` where it cannot listen there, `HISTORY_TOKENS_INVALID`.
 */
export async function serveFeed(options: FeedOptions): Promise<Feed> {
  const { histories, port, host = '127.0.0.1', tokenFile, tls, behindTlsProxy = false } = options
  const { logger = silentLogger } = options
  const limits = resolveLimits(options.limits ?? {})
  if (histories.length === 0) throw new TypeError('Expected `histories` to name a history')
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new TypeError(`Expected \`port\` to be an integer from 0 to 65535, got ${port}`)
  checkExposure({ host, hasTokens: tokenFile !== undefined, hasTls: tls !== undefined, behindTlsProxy })
  const tokens = tokenFile === undefined ? undefined : new Tokens(tokenFile, { logger })
  const own: HistoryReader[] = []
  const readers = histories.map((history) => {
    if (typeof history !== 'string') return history
    const reader = openHistory({ history })
    own.push(reader)
    return reader
  })
  const feed = new RunningFeed({ server: newServer(limits, tls), readers, own, tokens, limits, logger })
  try {
    await feed.listen({ port, host })
    return feed
  } catch (error) {
    await feed.close()
    throw error
  }
}

function newServer(limits: Limits, tls: FeedOptions['tls']): Server {
  const options = {
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    connectionsCheckingInterval: checkEveryMs,
  }
  if (tls === undefined) return createHttpServer(options)
  return createHttpsServer({
    ...options,
    ...tls,
    handshakeTimeout: limits.headersTimeoutMs,
    minVersion: 'TLSv1.2',
  })
}

const checkEveryMs = 1_000

interface Parts {
  readonly server: Server
  readonly readers: readonly HistoryReader[]
  /** Those to close. */
  readonly own: readonly HistoryReader[]
  readonly tokens: Tokens | undefined
  readonly limits: Limits
  readonly logger: Logger
}

class RunningFeed implements Feed {
  readonly #parts: Parts
  readonly #histories: ServedHistories
  readonly #counts = new FeedCounts()
  readonly #calls = new Set<Call>()
  readonly #sockets = new Set<Socket>()
  #closed: Promise<void> | undefined

  constructor(parts: Parts) {
    const { server, readers, limits } = parts
    this.#parts = parts
    this.#histories = new ServedHistories(readers)
    server.maxConnections = limits.connectionsMax
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on('clientError', (error, socket) => this.#refuse(error, socket))
    server.on('request', (request, response) => void this.#answer(new Call(request, response)))
  }

  get url(): string {
    const { server } = this.#parts
    const { address, family, port } = server.address() as AddressInfo
    const scheme = 'setSecureContext' in server ? 'https' : 'http'
    return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`
  }

  get status(): FeedStatus {
    const { streams, answers, events, stalled } = this.#counts
    return { connections: this.#sockets.size, streams, answers: { ...answers }, events, stalled }
  }

  async listen({ port, host }: { port: number; host: string }): Promise<void> {
    const { server, logger } = this.#parts
    try {
      server.listen({ port, host })
      await once(server, 'listening')
    } catch (cause) {
      throw new HistoryError(
        'HISTORY_FEED_UNAVAILABLE',
        `The feed cannot be served at ${host}, port ${port} (${(cause as Error).message}): name another port`,
        { cause },
      )
    }
    logger.info('feed.serving', { address: this.url })
  }

  async close({ drainMs = 5_000 }: { drainMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(drainMs)
    await this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(drainMs: number): Promise<void> {
    const { server, tokens, own } = this.#parts
    for (const call of this.#calls) call.end()
    if (server.listening) {
      const closed = once(server, 'close')
      server.close()
      const cut = setTimeout(() => this.#cut(), drainMs)
      await closed
      clearTimeout(cut)
      await Promise.all([...this.#sockets].map((socket) => once(socket, 'close')))
    }
    tokens?.close()
    for (const reader of own) await reader.close()
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async #answer(call: Call): Promise<void> {
    const { logger } = this.#parts
    const { request, response } = call
    let grant: Grant | undefined
    this.#calls.add(call)
    response.once('close', () => {
      this.#calls.delete(call)
      this.#counts.answered(response.statusCode)
      // A connection that is kept alive would keep the server from closing.
      if (this.#closed !== undefined) setImmediate(() => this.#parts.server.closeIdleConnections())
    })
    try {
      if (this.#closed !== undefined) throw new Problem('FEED_CLOSING', 'The feed is being closed')
      const { route, names } = routeOf(call)
      if (route.isOpen !== true) grant = this.#authenticate(call)
      await this.#run(route, call, { grant, names })
    } catch (error) {
      const problem = problemOf(error)
      const { code, status, cause } = problem
      const fields = { code, reader: grant?.name, method: request.method }
      if (status === 401 || status === 403) {
        logger.warn('feed.denied', { ...fields, address: request.socket.remoteAddress })
      } else if (status >= 500) {
        logger.error('feed.failed', { ...fields, error: ((cause as Error | undefined) ?? problem).message })
      }
      if (!response.headersSent) call.sendProblem(problem)
    }
  }

  #authenticate({ request }: Call): Grant | undefined {
    const { tokens } = this.#parts
    if (tokens !== undefined) return tokens.authenticate(request.headers.authorization)
    checkHost(request.headers.host)
    return undefined
  }

  async #run(
    route: Route,
    call: Call,
    { grant, names }: { grant: Grant | undefined; names: string[] },
  ): Promise<void> {
    const { limits, logger } = this.#parts
    const counts = this.#counts
    const feeding: Feeding = {
      histories: this.#histories,
      limits,
      isGranted: () => grant?.isValid ?? true,
      onEvents(count) {
        counts.events += count
      },
      onStalled() {
        counts.stalled += 1
        logger.warn('feed.reader-cut', { reader: grant?.name, reason: 'it took nothing' })
      },
      metrics: () => metricsText(this.status, this.#histories),
    }
    if (route.isStream !== true) {
      await route.answer(call, feeding, names)
      return
    }
    if (counts.streams >= limits.streamsMax) {
      throw new Problem(
        'FEED_BUSY',
        `${limits.streamsMax} answers are being streamed already; try again later`,
        {
          headers: { 'retry-after': '1' },
        },
      )
    }
    counts.streams += 1
    try {
      await route.answer(call, feeding, names)
    } finally {
      counts.streams -= 1
    }
  }

  /** What is no HTTP, too long or too slow: Node has read no request of it. */
  #refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy()
      return
    }
    const code = refusals[error.code ?? ''] ?? 'FEED_REQUEST_MALFORMED'
    const status = problemStatus[code]
    this.#counts.answered(status)
    const body = `${JSON.stringify(new Problem(code, refusalDetails[code] ?? 'This is no HTTP request'))}\n`
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      `content-type: ${problemType}`,
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
    ]
    // Whoever sends nonsense may also read nothing: it is not waited for.
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
  }
}

const refusals: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'FEED_HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'FEED_REQUEST_TIMEOUT',
}
const refusalDetails: Partial<Record<ProblemCode, string>> = {
  FEED_HEADERS_TOO_LARGE: 'The request line and the headers are too long',
  FEED_REQUEST_TIMEOUT: 'The request did not arrive in its time',
}

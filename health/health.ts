/**
 * Health and metrics of a process over HTTP: `/livez`, `/readyz`, `/metrics`.
 *
 * It reads what the parts tell of themselves and asks neither broker nor database, so an answer says how
 * things are although these hang. It has no password and no TLS: it listens on the loopback interface
 * unless told otherwise, and tells no body of an event.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { HealthError } from './errors.ts'
import { type MetricsPage, openMetricsPage } from './metrics-page.ts'
import type { HealthParts } from './parts.ts'
import { Judge } from './verdict.ts'

export interface HealthOptions {
  /** 0 takes a free one, which `url` tells. */
  readonly port: number
  /** Default `127.0.0.1`: to be reached from elsewhere, name an address, or `0.0.0.0`. */
  readonly host?: string
  /** What to watch; without any, the process is alive and not ready, until `watch`. */
  readonly parts?: HealthParts
}

export interface Health {
  /** Such as `http://127.0.0.1:9464`. */
  readonly url: string
  /** Watches these parts from now on, in place of those before: for what starts after health is served. */
  watch(parts: HealthParts): void
  /** Ends at once what is being answered. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Serves the health of a process's parts.
 *
 * `GET /livez` is 200, and 503 once a part has failed for good. `GET /readyz` is 200 where every part does
 * its work (a recorder records, a consumer is live, a relay relays), else 503. Both answer in JSON with
 * each part's `state` and the `reason` why it is not ready. `GET /metrics` is Prometheus' text form.
 *
 * @throws TypeError for an option out of its range; HealthError `HEALTH_ADDRESS_UNAVAILABLE` where it
 *   cannot listen there, `HEALTH_DRIVER_MISSING` without prom-client.
 */
export async function serveHealth({ port, host = '127.0.0.1', parts = {} }: HealthOptions): Promise<Health> {
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new TypeError(`Expected \`port\` to be an integer from 0 to 65535, got ${port}`)
  if (typeof host !== 'string' || host === '') throw new TypeError('Expected `host` to be an address')
  let judge = new Judge(parts)
  const page = await openMetricsPage(() => judge.parts)
  const server = createServer({ ...limits, headersTimeout: requestTimeoutMs }, (request, response) => {
    answer(request, response, { judge, page }).catch((error: unknown) => {
      // Nobody else hears of it: whoever scrapes is told, and the process goes on.
      if (!response.headersSent) send(response, 500, { error: (error as Error).message })
      else response.destroy()
    })
  })
  server.maxConnections = connectionsMax
  await listen(server, { port, host })
  const close = () => closeServer(server)
  const watch = (next: HealthParts) => {
    judge = new Judge(next)
  }
  return { url: urlOf(server), watch, close, [Symbol.asyncDispose]: close }
}

const requestTimeoutMs = 5_000
/** Whoever asks is a probe or a scraper: there are few, and they ask for little. */
const connectionsMax = 100
const limits = { requestTimeout: requestTimeoutMs, maxHeaderSize: 8_192 }

async function answer(
  { method, url }: IncomingMessage,
  response: ServerResponse,
  { judge, page }: { judge: Judge; page: MetricsPage },
): Promise<void> {
  const [path] = (url ?? '').split('?', 1)
  if (!['/livez', '/readyz', '/metrics'].includes(path!)) {
    send(response, 404, { error: 'There are /livez, /readyz and /metrics' })
  } else if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    send(response, 405, { error: `${path} takes GET only` })
  } else if (path === '/metrics') {
    const text = await page.text()
    response.writeHead(200, { 'content-type': page.contentType, 'cache-control': 'no-store' }).end(text)
  } else {
    const { live, ready, parts } = judge.verdict()
    send(response, (path === '/livez' ? live : ready) ? 200 : 503, { live, ready, parts })
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response
    .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    .end(`${JSON.stringify(body)}\n`)
}

async function listen(server: Server, { port, host }: { port: number; host: string }): Promise<void> {
  try {
    server.listen({ port, host })
    await once(server, 'listening')
  } catch (cause) {
    throw new HealthError(
      'HEALTH_ADDRESS_UNAVAILABLE',
      `Health cannot be served at ${host}, port ${port} (${(cause as Error).message}): name another port`,
      { cause },
    )
  }
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

/** A feed of a history in a temporary file, gone after the test. */
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { attributesOf, toMessage } from '../../events/index.ts'
import { openHistoryWriter } from '../open-history.ts'
import type { HistoryWriter } from '../writer.ts'
import { type Feed, type FeedOptions, serveFeed } from './feed.ts'

export interface Served {
  readonly feed: Feed
  /** Of the feed, such as `http://127.0.0.1:1234`. */
  readonly url: string
  readonly folder: string
  readonly path: string
  readonly writer: HistoryWriter
  /** Appends so many events in one batch: of types a, b, c in turn, of subjects EC-0 to EC-9. */
  append(count: number): Promise<void>
  text(path: string, init?: RequestInit): Promise<string>
  json(path: string, init?: RequestInit): Promise<unknown>
  /** The lines of an answer, as they come. */
  lines(path: string, init?: RequestInit): AsyncGenerator<Line>
}

export type Line = Readonly<Record<string, unknown>>

export async function served(
  t: TestContext,
  { events = 0, ...options }: Partial<FeedOptions> & { events?: number } = {},
): Promise<Served> {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-feed-'))
  const path = join(folder, 'orders.db')
  const writer = await openHistoryWriter({ history: path, exchange: 'orders' })
  const feed = await serveFeed({ histories: [path], port: 0, ...options })
  t.after(async () => {
    await feed.close({ drainMs: 0 })
    await writer.close()
    await rm(folder, { recursive: true, force: true })
  })
  const { url } = feed
  let number = 0
  const append = async (count: number) => {
    const batch = Array.from({ length: count }, () => newEvent(++number))
    await writer.append({ events: batch, fences: [] })
  }
  if (events > 0) await append(events)
  const text = async (target: string, init?: RequestInit) => await (await fetch(url + target, init)).text()
  return {
    feed,
    url,
    folder,
    path,
    writer,
    append,
    text,
    json: async (target, init) => JSON.parse(await text(target, init)) as unknown,
    lines: (target, init) => linesOf(url + target, init),
  }
}

function newEvent(number: number) {
  const type = 'abc'[number % 3]!
  const input = { type, id: `${number}`, subject: `EC-${number % 10}`, data: { number } }
  const message = toMessage(input, { exchange: 'orders', source: '/sales' })
  return { ...attributesOf(message), message }
}

async function* linesOf(url: string, init?: RequestInit): AsyncGenerator<Line> {
  const response = await fetch(url, init)
  let rest = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    for (const line of lines) if (line !== '') yield JSON.parse(line) as Line
  }
}

/** Sends bytes as they are, and gives back all that comes until the other end closes. */
export function sendRaw(
  url: string,
  bytes: string | Buffer,
  { end = false }: { end?: boolean } = {},
): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    let answer = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // A server that hangs up at once may do so while this is still being sent.
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error)
    })
    socket.on('close', () => resolve(answer))
    socket.write(bytes)
    if (end) socket.end()
  })
}

/** A path that `fetch` would tidy up. */
export function getRaw(url: string, path: string, headers: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { path, headers, agent: false }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode!))
    })
    asked.on('error', reject)
    asked.end()
  })
}

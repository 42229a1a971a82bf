/**
 * A TCP proxy in front of a node of the broker, with the faults of a network: reset, silence, delay.
 *
 * A partition cannot keep the kernel from accepting a connection: it is accepted and nothing is said on it,
 * which the client sees as a handshake that does not come. When the partition is over those are reset.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { Transform } from 'node:stream'

interface Pair {
  readonly near: Socket
  readonly far: Socket
  isSilent: boolean
}

export class FaultProxy {
  readonly #server: Server
  readonly #target: URL
  readonly #pairs = new Set<Pair>()
  #isPartitioned = false
  #delayMs = 0

  private constructor(server: Server, target: URL) {
    this.#server = server
    this.#target = target
    server.on('connection', (socket) => this.#forward(socket))
  }

  /** @param url - Of the node. */
  static async start(url: string): Promise<FaultProxy> {
    const server = createServer({ noDelay: true })
    const proxy = new FaultProxy(server, new URL(url))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  /** The node's URL, by way of the proxy. */
  get url(): string {
    const url = new URL(this.#target)
    url.host = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return url.href
  }

  /** Resets every connection at both ends; new ones are taken. */
  cut(): void {
    for (const { near, far } of this.#pairs) {
      reset(near)
      reset(far)
    }
  }

  /** The connections there are carry nothing more, for ever; new ones work. */
  silence(): void {
    for (const pair of this.#pairs) pair.isSilent = true
  }

  /** Nothing is carried until `heal()`, on connections old and new. */
  partition(): void {
    this.#isPartitioned = true
    this.silence()
  }

  /** Each piece that is carried waits this long, in both directions, until `heal()`. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs
  }

  /** Ends partition and delay. What was partitioned is reset. */
  heal(): void {
    this.#delayMs = 0
    if (!this.#isPartitioned) return
    this.#isPartitioned = false
    this.cut()
  }

  close(): void {
    this.cut()
    this.#server.close()
  }

  #forward(near: Socket): void {
    const far = connect({ host: this.#target.hostname, port: Number(this.#target.port), noDelay: true })
    const pair: Pair = { near, far, isSilent: this.#isPartitioned }
    this.#pairs.add(pair)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('error', () => {})
      from.on('close', () => {
        // A silent one has not even heard that the other end is gone.
        if (pair.isSilent && !to.destroyed) return this.#forgetWhenClosed(pair, to)
        this.#pairs.delete(pair)
        to.destroy()
      })
      from.pipe(this.#carrier(pair)).pipe(to)
    }
  }

  #forgetWhenClosed(pair: Pair, rest: Socket): void {
    rest.once('close', () => this.#pairs.delete(pair))
  }

  #carrier(pair: Pair): Transform {
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        if (pair.isSilent) done()
        else if (this.#delayMs === 0) done(null, chunk)
        else setTimeout(() => done(null, chunk), this.#delayMs)
      },
      // The end of one side is carried by its `close`.
      flush: (done) => {
        if (!pair.isSilent) done()
      },
    })
  }
}

/** Node fails to reset a socket whose end it is about to send, and then never closes it. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

/**
 * An answer that is sent piece by piece, no faster than its reader takes it.
 *
 * `write` resolves when there is room again: whoever waits for it holds one piece in memory, however slow
 * the reader is. A reader that is gone, or takes nothing for too long, makes it reject.
 */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Writable } from 'node:stream'
import { constants, createGzip, type Gzip } from 'node:zlib'

/** Nobody is there to be answered. */
export class Gone extends Error {}

export interface StreamOptions {
  readonly contentType: string
  readonly stalledTimeoutMs: number
  /** Aborted when the connection closes. */
  readonly gone: AbortSignal
  onStalled(): void
}

export class StreamedAnswer {
  readonly #gone: AbortSignal
  readonly #target: Writable
  readonly #gzip: Gzip | undefined
  #sent = 0
  #sentAt = performance.now()

  constructor(request: IncomingMessage, response: ServerResponse, options: StreamOptions) {
    const { contentType, stalledTimeoutMs, gone, onStalled } = options
    this.#gone = gone
    this.#gzip = takesGzip(request) ? createGzip({ level: constants.Z_BEST_SPEED }) : undefined
    response.writeHead(200, {
      'content-type': contentType,
      'cache-control': 'no-store',
      vary: 'accept, accept-encoding',
      ...(this.#gzip && { 'content-encoding': 'gzip' }),
    })
    // A socket counts what its peer takes of a piece as activity, be it a few bytes.
    response.setTimeout(stalledTimeoutMs, () => {
      onStalled()
      response.destroy()
    })
    this.#target = this.#gzip ?? response
    this.#gzip?.pipe(response)
    const end = () => this.#gzip?.destroy()
    gone.addEventListener('abort', end)
  }

  /** In characters or bytes. */
  get sent(): number {
    return this.#sent
  }

  /** @throws Gone */
  async write(piece: string | Buffer): Promise<void> {
    if (this.#gone.aborted) throw new Gone()
    this.#sent += piece.length
    this.#sentAt = performance.now()
    if (this.#target.write(piece)) return
    try {
      await once(this.#target, 'drain', { signal: this.#gone })
    } catch {
      throw new Gone()
    }
  }

  /** Sends a blank line where nothing was sent for so long, so that a dead peer is found. @throws Gone */
  async keepAlive(afterMs: number): Promise<void> {
    if (this.#gone.aborted) throw new Gone()
    if (performance.now() - this.#sentAt < afterMs) return
    await this.write('\n')
    this.flush()
  }

  /** Sends what compression still holds back: for when nothing follows for a while. */
  flush(): void {
    this.#gzip?.flush(constants.Z_SYNC_FLUSH)
  }

  end(): void {
    this.#target.end()
  }
}

/** Whether it is asked for; `gzip;q=0` says no. */
function takesGzip({ headers }: IncomingMessage): boolean {
  return String(headers['accept-encoding'] ?? '')
    .split(',')
    .some((coding) => /^\s*(gzip|x-gzip)\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/i.test(coding))
}

/**
 * The names of the files that a run has made, in a hidden file beside them, each before it is made: a checkpoint
 * may be older than the newest of them, and what goes on from it takes them away first.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import type { FilePool } from './file-pool.ts'

export class MadeList {
  readonly #file: string
  readonly #pool: FilePool
  #bytes = 0
  #isThere = false

  constructor(file: string, pool: FilePool) {
    this.#file = file
    this.#pool = pool
  }

  /** What an earlier process of this run has made. The last line may be cut off: its file was not made. */
  read(): string[] {
    this.#isThere = existsSync(this.#file)
    if (!this.#isThere) return []
    const text = readFileSync(this.#file, 'utf8')
    const lines = text.slice(0, text.lastIndexOf('\n') + 1)
    this.#bytes = Buffer.byteLength(lines)
    return lines
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as string)
  }

  add(name: string): void {
    if (!this.#isThere) this.#pool.create(this.#file)
    this.#isThere = true
    const line = Buffer.from(`${JSON.stringify(name)}\n`)
    this.#pool.write(this.#file, line, this.#bytes)
    this.#bytes += line.length
  }

  remove(): void {
    this.#pool.release(this.#file)
    rmSync(this.#file, { force: true })
    this.#isThere = false
    this.#bytes = 0
  }
}

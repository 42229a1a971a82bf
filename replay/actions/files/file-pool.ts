/**
 * Files that are written in turns, of which only some are open at once. Calls are synchronous, so that nothing
 * comes between those of a batch; only making them durable waits.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'

const openMax = 64
/** At once. */
const syncsMax = 4

export class FilePool {
  /** The one that was used last is the last. */
  readonly #open = new Map<string, number>()
  /** Written since they were made durable. */
  #dirty = new Set<string>()
  /** Of files that were made since. */
  #dirtyFolders = new Set<string>()

  /** @throws EEXIST where it is there. */
  create(file: string): void {
    this.#keep(file, openSync(file, 'wx', 0o644))
    this.#dirty.add(file)
    this.#dirtyFolders.add(dirname(file))
  }

  write(file: string, data: Buffer, at: number): void {
    const descriptor = this.#descriptorOf(file)
    this.#dirty.add(file)
    let written = 0
    while (written < data.length) {
      written += writeSync(descriptor, data, written, data.length - written, at + written)
    }
  }

  /** A file that is written or replaced by other means. */
  touch(file: string): void {
    this.release(file)
    this.#dirty.add(file)
    this.#dirtyFolders.add(dirname(file))
  }

  /** Is about to go. */
  release(file: string): void {
    const descriptor = this.#open.get(file)
    if (descriptor !== undefined) closeSync(descriptor)
    this.#open.delete(file)
    this.#dirty.delete(file)
  }

  /** Makes durable what was written. */
  async sync(): Promise<void> {
    const files = [...this.#dirty]
    // A folder is no file that can be opened, on Windows; its file system keeps names by itself.
    const folders = process.platform === 'win32' ? [] : [...this.#dirtyFolders]
    this.#dirty = new Set()
    this.#dirtyFolders = new Set()
    const paths = [
      ...files.map((path) => [path, 'r+'] as const),
      ...folders.map((path) => [path, 'r'] as const),
    ]
    const next = paths.values()
    await Promise.all(
      Array.from({ length: syncsMax }, async () => {
        for (const [path, flags] of next) {
          await using handle = await open(path, flags)
          await handle.sync()
        }
      }),
    )
  }

  /** Idempotent. */
  close(): void {
    for (const descriptor of this.#open.values()) closeSync(descriptor)
    this.#open.clear()
  }

  #descriptorOf(file: string): number {
    const descriptor = this.#open.get(file) ?? openSync(file, 'r+')
    this.#open.delete(file)
    this.#keep(file, descriptor)
    return descriptor
  }

  #keep(file: string, descriptor: number): void {
    this.#open.set(file, descriptor)
    if (this.#open.size <= openMax) return
    const [oldest, first] = this.#open.entries().next().value!
    closeSync(first)
    this.#open.delete(oldest)
  }
}

/** A folder of JSON files, an event in each, in the order of their names: `--from ./folder-source.ts`. */
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import {
  JsonEvent,
  PluginOptions,
  ReplayError,
  type Source,
  type SourcePage,
  type SourcePlugin,
  type SourceSize,
} from 'backstory'

const pageEvents = 100

export const source: SourcePlugin = {
  address: './folder-source.ts',
  summary: 'A folder of JSON files, an event in each',
  options: { folder: 'The folder' },
  create(target) {
    const options = new PluginOptions(target)
    const folder = resolve(target.context.cwd, options.requiredText('folder'))
    options.end()
    return new FolderSource(folder)
  },
}

class FolderSource implements Source {
  readonly name: string
  readonly #folder: string
  #names: readonly string[] = []

  constructor(folder: string) {
    this.name = folder
    this.#folder = folder
  }

  async open(): Promise<SourceSize> {
    try {
      const names = await readdir(this.#folder)
      this.#names = names.filter((name) => name.endsWith('.json')).sort()
    } catch (cause) {
      throw new ReplayError('REPLAY_SOURCE_UNAVAILABLE', `${this.#folder} cannot be read`, { cause })
    }
    return { events: this.#names.length }
  }

  async *read({
    after,
    signal,
  }: {
    after: string | undefined
    signal: AbortSignal
  }): AsyncGenerator<SourcePage> {
    const names = this.#names
    const origin = {
      placeOf: (position: number) => names[position - 1]!,
      tokenOf: (position: number) => names[position - 1]!,
    }
    // A token is the name of a file: it is the same in another process, and when files have come.
    let at = after === undefined ? 0 : names.indexOf(after) + 1
    if (after !== undefined && at === 0)
      throw new ReplayError('REPLAY_CHECKPOINT_FOREIGN', `${this.#folder} has no file ${after}`)
    let bytes = 0
    while (at < names.length && !signal.aborted) {
      const events = []
      for (const name of names.slice(at, at + pageEvents)) {
        const text = await readFile(join(this.#folder, name), 'utf8')
        at += 1
        bytes += Buffer.byteLength(text)
        events.push(new JsonEvent(text.trim(), at, origin))
      }
      yield { events, bytes }
    }
  }

  async close(): Promise<void> {}
}

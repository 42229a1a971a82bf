/** Keeps the newest event of each subject as a JSON file in a folder: `--to ./folder-action.ts`. */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import {
  type Action,
  ActionFailure,
  type ActionPlugin,
  type PlannedWrite,
  PluginOptions,
  ReplayError,
  type ReplayEvent,
} from 'backstory'

export const action: ActionPlugin = {
  address: './folder-action.ts',
  summary: 'Keeps the newest event of each subject as a file',
  options: { folder: 'The folder, made where it is missing' },
  create(target) {
    const options = new PluginOptions(target)
    const folder = resolve(target.context.cwd, options.requiredText('folder'))
    options.end()
    return new FolderAction(folder)
  },
}

interface Prepared {
  readonly file: string
  readonly text: string
}

class FolderAction implements Action<Prepared> {
  readonly name: string
  readonly isLocal = true
  readonly isIdempotent = true
  readonly batchMax = 100
  readonly stopsAtFailure = true
  readonly #folder: string

  constructor(folder: string) {
    this.name = folder
    this.#folder = folder
  }

  prepare(event: ReplayEvent): Prepared {
    const { subject } = event.attributes
    if (subject === undefined) throw new ReplayError('REPLAY_EVENT_REFUSED', 'It has no subject')
    return { file: join(this.#folder, `${encodeURIComponent(subject)}.json`), text: event.text }
  }

  describe({ file, text }: Prepared): PlannedWrite {
    return { kind: 'text', to: file, text }
  }

  async open(): Promise<void> {
    try {
      await mkdir(this.#folder, { recursive: true })
    } catch (cause) {
      throw new ReplayError('REPLAY_ACTION_UNAVAILABLE', `${this.#folder} cannot be made`, { cause })
    }
  }

  async act(batch: readonly Prepared[]): Promise<undefined> {
    for (const { file, text } of batch) {
      try {
        // Whoever reads the folder never sees half a file.
        await writeFile(`${file}.new`, text, { flush: true })
        await rename(`${file}.new`, file)
      } catch (cause) {
        const { code = 'UNKNOWN', message } = cause as NodeJS.ErrnoException
        throw new ActionFailure(code === 'ENOSPC' ? 'unavailable' : 'refused', code, message, { cause })
      }
    }
  }

  async close(): Promise<void> {}
}

/**
 * Writes events to files: JSON Lines, CSV or Parquet, in one file or in as many as a template names.
 *
 * Killed and resumed it ends with the same files as a run that was never killed: each checkpoint holds how far each
 * file has come, and what was written behind it is cut off.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Action, ActionPlugin, Outcome, PlannedWrite } from '../action.ts'
import { ReplayError } from '../errors.ts'
import { defaultMapping } from '../mapping/default-mapping.ts'
import { type Mapping, parseMapping } from '../mapping/mapping.ts'
import { PluginOptions } from '../options.ts'
import { realPath } from '../real-path.ts'
import type { ReplayEvent } from '../replay-event.ts'
import type { PluginTarget } from '../source.ts'
import { csv, jsonLines, type LineFormat } from './files/line-format.ts'
import { OutputFiles, type OutputLine } from './files/output-files.ts'
import { gzipPacking, type Packing, parquetPacking } from './files/packing.ts'
import { parquetRows } from './files/parquet.ts'
import { PathTemplate } from './files/path-template.ts'

const formats = ['jsonl', 'csv', 'parquet'] as const
type Format = (typeof formats)[number]

const filesMaxDefault = 10_000

export const action: ActionPlugin = {
  address: 'files:PATH',
  summary: 'Writes events to files: JSON Lines, CSV or Parquet, by a template such as out/{$.type}.jsonl',
  options: {
    format: 'jsonl, csv or parquet; default: as the path ends (.jsonl, .csv, .parquet; .gz is compressed)',
    columns: 'What is in each column: see mappings. JSON Lines: default the event as it is',
    bytesMax: 'Bytes of a file, before it is compressed; then another is begun',
    eventsMax: 'Events of a file; then another is begun',
    filesMax: `Files that a template may make; default ${filesMaxDefault}`,
    overwrite: 'Whether files that are there are replaced; default false',
  },
  create(target: PluginTarget): Action {
    const options = new PluginOptions(target)
    const template = target.address.slice('files:'.length)
    const slashed = process.platform === 'win32' ? template.replaceAll('\\', '/') : template
    const path = new PathTemplate(slashed)
    const isGzip = /\.gz$/i.test(slashed)
    const format = options.choice('format', formats) ?? formatOf(slashed)
    const columns = options.object('columns')
    const mapping = columns && parseMapping(columns)
    const limits = {
      bytesMax: options.whole('bytesMax', { min: 1 }) ?? Number.POSITIVE_INFINITY,
      eventsMax: options.whole('eventsMax', { min: 1 }) ?? Number.POSITIVE_INFINITY,
      filesMax: options.whole('filesMax', { min: 1, max: 100_000 }) ?? filesMaxDefault,
    }
    const overwrite = options.flag('overwrite') ?? false
    options.end()
    if (isGzip && format === 'parquet')
      throw new TypeError(`${target.address}: Parquet is compressed in itself, its name cannot end in .gz`)
    const { lines, packing } = written(format, { mapping, isGzip })
    const folder = resolve(target.context.cwd, path.folder)
    const hash = createHash('sha256').update(template).digest('hex').slice(0, 8)
    const listName = `.backstory-${target.context.runId}-${hash}.files`
    const output = new OutputFiles({
      template,
      folder,
      listName,
      header: lines.header,
      packing,
      ...limits,
      overwrite,
    })
    return new FilesAction(output, { name: target.address, folder, path, lines, packing, overwrite })
  },
}

function formatOf(template: string): Format {
  const [, ending] = /\.(jsonl|ndjson|json|csv|parquet)(?:\.gz)?$/i.exec(template) ?? []
  if (ending === undefined)
    throw new TypeError(
      `files:${template} says no format: end it in .jsonl, .csv or .parquet, or give the option format`,
    )
  return formats.find((format) => format === ending.toLowerCase()) ?? 'jsonl'
}

function written(
  format: Format,
  { mapping, isGzip }: { mapping: Mapping | undefined; isGzip: boolean },
): { lines: LineFormat; packing: Packing | undefined } {
  const columns = mapping ?? defaultMapping
  if (format === 'parquet') return { lines: parquetRows(columns), packing: parquetPacking(columns) }
  const lines = format === 'csv' ? csv(columns) : jsonLines(mapping)
  return { lines, packing: isGzip ? gzipPacking : undefined }
}

interface FilesOptions {
  readonly name: string
  readonly folder: string
  readonly path: PathTemplate
  readonly lines: LineFormat
  readonly packing: Packing | undefined
  readonly overwrite: boolean
}

class FilesAction implements Action<OutputLine> {
  readonly name: string
  readonly target: string
  readonly isLocal = true
  /** What was written behind a checkpoint is cut off before it is written again. */
  readonly isIdempotent = true
  readonly batchMax = 1_000
  readonly stopsAtFailure = true
  readonly #output: OutputFiles
  readonly #options: FilesOptions

  constructor(output: OutputFiles, options: FilesOptions) {
    this.name = options.name
    // Of a template only events say which files.
    const { constant } = options.path
    this.target = constant === undefined ? options.name : `files:${realPath(output.pathOf(constant))}`
    this.#output = output
    this.#options = options
  }

  prepare(event: ReplayEvent): OutputLine {
    const { path, lines } = this.#options
    return { path: path.pathFor(event), line: lines.lineOf(event) }
  }

  describe({ path, line }: OutputLine): PlannedWrite {
    return { kind: 'text', to: join(this.#options.folder, path), text: line.trimEnd() }
  }

  async open({ state }: { readonly state: unknown }): Promise<void> {
    const { path, packing, overwrite } = this.#options
    await packing?.open()
    await this.#told(() => this.#output.open(state))
    const isNew = state === undefined || state === null
    if (
      path.constant !== undefined &&
      isNew &&
      !overwrite &&
      existsSync(this.#output.pathOf(path.constant))
    ) {
      throw new ReplayError(
        'REPLAY_ACTION_INVALID',
        `${this.name} is there already: write elsewhere, or give the option overwrite`,
      )
    }
  }

  async act(batch: readonly OutputLine[]): Promise<readonly Outcome[] | undefined> {
    return this.#output.add(batch)
  }

  async state(): Promise<unknown> {
    return await this.#told(() => this.#output.state())
  }

  async finish(): Promise<void> {
    await this.#told(() => this.#output.finish())
  }

  async close(): Promise<void> {
    await this.#told(() => this.#output.close())
  }

  /** What the disk refuses outside of a batch is the folder's fault, and no event's. */
  async #told<Value>(work: () => Value | Promise<Value>): Promise<Value> {
    try {
      return await work()
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException
      if (cause instanceof ReplayError || code === undefined) throw cause
      throw new ReplayError(
        'REPLAY_ACTION_UNAVAILABLE',
        `${this.#options.folder} cannot be written to: ${message}. Mend its rights or its disk, or write elsewhere`,
        { cause },
      )
    }
  }
}

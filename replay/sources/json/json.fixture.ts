/** Files in a folder of their own, as a source of JSON. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import { ReplayError } from '../../errors.ts'
import { pluginTarget } from '../../plugin-target.fixture.ts'
import type { ReplayEvent } from '../../replay-event.ts'
import type { Source, SourcePage } from '../../source.ts'
import { source as plugin } from './json.ts'

export function folderWith(
  t: TestContext,
  files: Readonly<Record<string, string | Buffer>>,
  { stdin = Readable.from([]) }: { stdin?: Readable } = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'backstory-json-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const write = (name: string, content: string | Buffer) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  for (const [name, content] of Object.entries(files)) write(name, content)
  const source = (address: string, options = {}) => jsonSource(address, { cwd: folder, stdin, options })
  return { folder, write, source }
}

export function jsonSource(
  address: string,
  {
    cwd,
    stdin = Readable.from([]),
    options = {},
  }: { cwd: string; stdin?: Readable; options?: Readonly<Record<string, unknown>> },
): Source {
  return plugin.create(pluginTarget(address, { options, cwd, stdin })) as Source
}

export function pagesOf(
  source: Source,
  after?: string,
): AsyncIterator<SourcePage> & AsyncIterable<SourcePage> {
  const pages = source.read({ after, signal: new AbortController().signal })
  const iterator = pages[Symbol.asyncIterator]()
  return Object.assign(iterator, { [Symbol.asyncIterator]: () => iterator })
}

export async function readAll(source: Source, after?: string): Promise<ReplayEvent[]> {
  const events: ReplayEvent[] = []
  await source.open()
  for await (const page of pagesOf(source, after)) events.push(...page.events)
  await source.close()
  return events
}

export function numbered(count: number): { readonly id: string }[] {
  return Array.from({ length: count }, (_, at) => ({ id: String(at + 1) }))
}

export function lines(...events: readonly unknown[]): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join('')
}

export function idsOf(events: readonly { readonly json: unknown }[]): unknown[] {
  return events.map(({ json }) => (json as { id?: unknown }).id)
}

/** Why an event cannot be read; undefined where it can. */
export function reasonOf(event: ReplayEvent): string | undefined {
  try {
    return void event.json
  } catch (error) {
    if (error instanceof ReplayError && error.code === 'REPLAY_EVENT_UNREADABLE') return error.message
    throw error
  }
}

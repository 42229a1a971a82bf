/** Folders of files, as a replay leaves them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import type { TestContext } from 'node:test'
import type { Action } from '../../action.ts'
import { pluginTarget } from '../../plugin-target.fixture.ts'
import { listSource } from '../../replay.fixture.ts'
import { replay } from '../../replay.ts'
import type { ReplayOptions } from '../../replay-options.ts'
import type { ReplayReport } from '../../report/report.ts'
import { action } from '../files.ts'

export type FileOptions = Readonly<Record<string, unknown>>

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'backstory-files-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The action `files:` of a template below the folder. */
export function filesAction(folder: string, template: string, options: FileOptions = {}): Action {
  return action.create(pluginTarget(`files:${template}`, { cwd: folder, options })) as Action
}

/** Writes all of the events. */
export async function writeFiles(
  folder: string,
  template: string,
  {
    events,
    options,
    ...replayOptions
  }: { events: readonly unknown[]; options?: FileOptions } & Partial<ReplayOptions>,
): Promise<ReplayReport> {
  const rules = [{ name: 'r', action: filesAction(folder, template, options) }]
  return await replay({ run: 'r1', source: listSource(events), rules, ...replayOptions })
}

/** What is in a folder and those in it, hidden files too, by path with `/`. */
export function filesIn(folder: string): Record<string, Buffer> {
  const files: Record<string, Buffer> = {}
  for (const path of readdirSync(folder, { recursive: true }).map(String).sort()) {
    const file = join(folder, path)
    if (statSync(file).isFile()) files[path.split(sep).join('/')] = readFileSync(file)
  }
  return files
}

export function textsIn(folder: string): Record<string, string> {
  return Object.fromEntries(Object.entries(filesIn(folder)).map(([path, data]) => [path, data.toString()]))
}

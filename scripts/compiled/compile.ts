/** The repository's TypeScript as JavaScript: compiled once, for every process of a test run. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { stop, transform } from 'esbuild'
import { compiledPath, transformOptions } from './hook.ts'

export interface CompiledSources {
  /** For node's `--import`, in any folder: with it a process runs them, and any other TypeScript too. */
  readonly loader: string
  /** Removes them. */
  remove(): void
}

/**
 * What it makes lies in a folder of its own, so that nothing of an earlier run is ever used.
 *
 * @param options.folders - Of the repository. A file elsewhere is compiled when it is loaded, as is one in
 *   which there is a mistake: whoever loads that is told.
 */
export async function compileSources({
  root,
  folders,
}: {
  root: string
  folders: readonly string[]
}): Promise<CompiledSources> {
  const out = mkdtempSync(join(tmpdir(), 'backstory-compiled-'))
  writeFileSync(join(out, 'package.json'), '{"type":"module"}')
  symlinkSync(join(root, 'node_modules'), join(out, 'node_modules'), 'junction')
  await Promise.all(sourcesIn(root, folders).map((file) => compile({ root, out, file })))
  await stop()
  const loader = pathToFileURL(join(out, 'scripts/compiled/register.js'))
  loader.searchParams.set('root', root)
  return { loader: loader.href, remove: () => rmSync(out, { recursive: true, force: true }) }
}

function sourcesIn(root: string, folders: readonly string[]): string[] {
  const inFolders = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((file) => join(folder, String(file))),
  )
  return ['index.ts', ...inFolders].filter(
    (file) => /(?<!\.d)\.m?ts$/.test(file) && !file.includes('node_modules'),
  )
}

async function compile({ root, out, file }: { root: string; out: string; file: string }): Promise<void> {
  const sourcefile = join(root, file)
  const source = await readFile(sourcefile, 'utf8')
  // One mistake is no reason to run no test.
  const made = await transform(source, { ...transformOptions, sourcefile }).catch(() => undefined)
  if (made === undefined) return
  const path = compiledPath(out, file)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, made.code)
}

/**
 * The module hook of a test run: hands out what was compiled before. A module keeps its own URL, so that it
 * finds the files beside it, and its stack traces lead to the source. This file itself is run by Node alone,
 * so it imports no other of ours.
 *
 * tsx makes the same of them, and takes a processor twice as long for it in each of the processes.
 */
import { existsSync, readFileSync } from 'node:fs'
import type { InitializeHook, LoadHook, ResolveHook } from 'node:module'
import { join, relative, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { TransformOptions } from 'esbuild'

export interface Places {
  /** The repository. */
  readonly root: string
  /** What was compiled of it. */
  readonly out: string
}

export const transformOptions = {
  loader: 'ts',
  format: 'esm',
  target: 'node20',
  sourcemap: 'inline',
  sourcesContent: false,
  tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
} satisfies TransformOptions

export function compiledPath(out: string, file: string): string {
  return join(out, file.replace(/ts$/, 'js'))
}

let places: Places = { root: '', out: '' }
let rootUrl = ''
/** URLs by the names under which users import what is here. */
let publicNames: ReadonlyMap<string, string> = new Map()

export const initialize: InitializeHook<Places> = (data) => {
  places = data
  rootUrl = pathToFileURL(join(data.root, sep)).href
  const { compilerOptions } = JSON.parse(readFileSync(join(data.root, 'tsconfig.json'), 'utf8')) as {
    compilerOptions: { paths: Readonly<Record<string, readonly [string]>> }
  }
  publicNames = new Map(
    Object.entries(compilerOptions.paths).map(([name, [file]]) => [
      name,
      pathToFileURL(join(data.root, file)).href,
    ]),
  )
}

export const resolve: ResolveHook = (specifier, context, nextResolve) => {
  // Of ours, tsc has seen that it is there: Node would look at the disk again.
  if (/^\..*\.ts$/.test(specifier) && context.parentURL?.startsWith(rootUrl))
    return { url: new URL(specifier, context.parentURL).href, shortCircuit: true }
  return nextResolve(publicNames.get(specifier) ?? specifier, context)
}

export const load: LoadHook = async (url, context, nextLoad) => {
  if (!/^file:.*\.m?ts(\?|$)/.test(url)) return await nextLoad(url, context)
  return { format: 'module', shortCircuit: true, source: await compiled(fileURLToPath(url)) }
}

async function compiled(path: string): Promise<string> {
  const file = relative(places.root, path)
  const made = compiledPath(places.out, file)
  if (!file.startsWith('..') && existsSync(made)) return readFileSync(made, 'utf8')
  // A module that a test wrote.
  const { transformSync } = await import('esbuild')
  return transformSync(readFileSync(path, 'utf8'), { ...transformOptions, sourcefile: path }).code
}

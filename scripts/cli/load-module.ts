/**
 * Loads a module of the user's: a consumer definition, or a configuration.
 *
 * Node imports it as it is, TypeScript too where this Node strips types (or tsx runs already). Where Node
 * does not understand its TypeScript, tsx does, if it is installed.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { CliError } from './errors.ts'

export type LoadedModule = Readonly<Record<string, unknown>>

/** How modules are imported, to be replaced in tests. */
export interface Importers {
  native(url: string): Promise<unknown>
  /** Rejects where tsx is not installed. */
  tsx(path: string): Promise<{ tsImport(specifier: string, parentUrl: string): Promise<unknown> }>
}

/**
 * @param path - Absolute.
 * @throws CliError `CLI_TYPESCRIPT_LOADER_MISSING` with the command that installs tsx;
 *   `CLI_MODULE_INVALID` where it does not load, with what it threw as the cause.
 */
export async function loadModule(path: string, importers: Importers = realImporters): Promise<LoadedModule> {
  if (!existsSync(path)) throw new CliError('CLI_MODULE_INVALID', `${path} does not exist; name another file`)
  const url = pathToFileURL(path).href
  try {
    return exportsOf(await importers.native(url))
  } catch (cause) {
    if (!isTypeScript(path) || !isBeyondNode(cause)) throw notLoaded(path, cause)
    return await loadByTsx({ path, url, importers })
  }
}

async function loadByTsx({
  path,
  url,
  importers,
}: {
  path: string
  url: string
  importers: Importers
}): Promise<LoadedModule> {
  const { tsImport } = await importers.tsx(path).catch((cause: unknown) => {
    throw new CliError(
      'CLI_TYPESCRIPT_LOADER_MISSING',
      `Node ${process.versions.node} needs tsx to run ${path}: npm install --save-dev tsx`,
      { cause },
    )
  })
  try {
    return exportsOf(await tsImport(url, import.meta.url))
  } catch (cause) {
    throw notLoaded(path, cause)
  }
}

const realImporters: Importers = {
  native: (url) => import(url),
  async tsx(path) {
    try {
      return await import('tsx/esm/api')
    } catch {
      // A backstory that is installed globally finds the one of the project it works for.
      return await import(pathToFileURL(createRequire(path).resolve('tsx/esm/api')).href)
    }
  },
}

function isTypeScript(path: string): boolean {
  return ['.ts', '.mts', '.cts'].includes(extname(path))
}

const beyondNode = [
  'ERR_UNKNOWN_FILE_EXTENSION',
  'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX',
  'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING',
  'ERR_NO_TYPESCRIPT',
]

function isBeyondNode(error: unknown): boolean {
  return beyondNode.includes(String((error as { code?: unknown } | null)?.code))
}

/** TypeScript that was compiled to CommonJS has its exports inside the default one. */
function exportsOf(module: unknown): LoadedModule {
  const exported = module as LoadedModule
  const inner = exported.default
  const isNested =
    typeof inner === 'object' && inner !== null && '__esModule' in inner && 'default' in (inner as object)
  return isNested ? (inner as LoadedModule) : exported
}

function notLoaded(path: string, cause: unknown): CliError {
  const reason = cause instanceof Error ? cause.message.split('\n', 1)[0] : String(cause)
  return new CliError('CLI_MODULE_INVALID', `${path} does not load: ${reason}`, { cause })
}

/**
 * Sources and actions by their address. The built-in ones are modules like any other, loaded when they are used:
 * each exports `source` or `action`, or both.
 */
import type { ActionPlugin } from './action.ts'
import { shownAddress } from './shown-address.ts'
import type { SourcePlugin } from './source.ts'

interface PluginModules {
  readonly source: SourcePlugin
  readonly action: ActionPlugin
}

/** The first whose test holds for an address is the one. */
type Builtin<Kind extends keyof PluginModules> = readonly [
  test: RegExp,
  load: () => Promise<Pick<PluginModules, Kind>>,
]

const sources: readonly Builtin<'source'>[] = [
  [/^history$|^postgres(ql)?:\/\/|^https?:\/\/|\.(db|sqlite3?)$/i, () => import('./sources/history.ts')],
  [/^queue:/, () => import('./sources/queue.ts')],
  [/^stream:/, () => import('./sources/stream.ts')],
  [/^dynamodb:/, () => import('./sources/dynamodb.ts')],
  [/^(opensearch|elasticsearch)\+https?:\/\//i, () => import('./sources/opensearch.ts')],
  // Whatever is left is a file.
  [/(?:)/, () => import('./sources/json/json.ts')],
]

const actions: readonly Builtin<'action'>[] = [
  [/^print$/, () => import('./actions/print.ts')],
  [/^files:./, () => import('./actions/files.ts')],
  [/^exchange:/, () => import('./actions/exchange.ts')],
  [/^queue:/, () => import('./actions/queue.ts')],
  [/^https?:\/\//i, () => import('./actions/http.ts')],
  [/^lambda:/, () => import('./actions/lambda.ts')],
  [/^eventbridge:/, () => import('./actions/eventbridge.ts')],
  [/^dynamodb:/, () => import('./actions/dynamodb.ts')],
  [/^(opensearch|elasticsearch)\+https?:\/\//i, () => import('./actions/opensearch.ts')],
  [/^sqlite:|^(postgres(ql)?|mysql|mariadb|sqlserver|mssql):\/\//i, () => import('./actions/sql/sql.ts')],
]

const builtin = { source: sources, action: actions }

/** A module of a plugin: a file by its path, or a package as `package:NAME`. */
function isModule(address: string): boolean {
  return address.startsWith('package:') || /^\.{0,2}\/.*\.[cm]?[jt]s$|^[a-z]:\\.*\.[cm]?[jt]s$/i.test(address)
}

export interface ModuleLoader {
  /** Imports the module of a plugin, by its address as it was given. */
  load(address: string): Promise<Readonly<Record<string, unknown>>>
}

/**
 * What makes the source, or the action, of an address.
 *
 * @param options.shown - What messages call it: as it was typed, without what its settings hold. Default: the address.
 * @throws TypeError where nothing is called so, or the module has no such export. What `load` throws.
 */
export async function findPlugin<Kind extends keyof PluginModules>(
  kind: Kind,
  address: string,
  { load, shown = address }: ModuleLoader & { readonly shown?: string },
): Promise<PluginModules[Kind]> {
  if (isModule(address)) {
    const { [kind]: plugin } = await load(address)
    if (isPlugin(plugin)) return plugin as PluginModules[Kind]
    throw new TypeError(`${shownAddress(shown)} has no export \`${kind}\` with a function \`create\``)
  }
  const found = (builtin[kind] as readonly Builtin<Kind>[]).find(([test]) => test.test(address))
  if (found === undefined) throw new TypeError(`No ${kind} is called ${shownAddress(shown)}`)
  const [, loadBuiltin] = found
  return (await loadBuiltin())[kind]
}

/** Every built-in one, in the order in which addresses are looked for. */
export async function builtinPlugins<Kind extends keyof PluginModules>(
  kind: Kind,
): Promise<PluginModules[Kind][]> {
  const all = builtin[kind] as readonly Builtin<Kind>[]
  return await Promise.all(all.map(async ([, load]) => (await load())[kind]))
}

function isPlugin(value: unknown): boolean {
  return typeof (value as { create?: unknown } | null | undefined)?.create === 'function'
}

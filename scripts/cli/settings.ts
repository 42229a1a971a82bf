/**
 * Where broker and history are: from options, else the environment, else the configuration file, else a
 * default. Each is looked for only when a command asks, so a broken configuration harms nobody who
 * needs none.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type BackstoryConfig, checkConfig } from './config.ts'
import { CliError, usageError } from './errors.ts'
import type { Io } from './io.ts'
import { loadModule } from './load-module.ts'

export type Origin = 'option' | 'environment' | 'configuration' | 'default'

export interface Setting<Value> {
  readonly value: Value
  readonly origin: Origin
}

export type SettingsSource = Pick<Io, 'env' | 'cwd'>

const defaultBroker = 'amqp://127.0.0.1:5672'
const defaultHistory = 'backstory-history.db'
const configNames = ['ts', 'mts', 'js', 'mjs', 'json'].map((extension) => `backstory.config.${extension}`)

/** The broker's URLs. @throws CliError `CLI_CONFIG_INVALID`, and as `loadModule` does. */
export async function brokerSetting(
  option: string | undefined,
  source: SettingsSource,
): Promise<Setting<readonly string[]>> {
  if (option !== undefined) return { value: urlsOf(option), origin: 'option' }
  const { BACKSTORY_BROKER: environment } = source.env
  if (environment) return { value: urlsOf(environment), origin: 'environment' }
  const { broker } = await readConfig(source)
  if (broker !== undefined) return { value: [broker].flat(), origin: 'configuration' }
  return { value: [(await developmentBroker(source)) ?? defaultBroker], origin: 'default' }
}

/** The history's absolute path, or its URL. @throws as `brokerSetting` does; CliError `CLI_USAGE` for a URL that is none. */
export async function historySetting(
  option: string | undefined,
  source: SettingsSource,
): Promise<Setting<string>> {
  const { cwd, env } = source
  if (option !== undefined) return { value: placeOf(option, cwd), origin: 'option' }
  const { BACKSTORY_HISTORY: environment } = env
  if (environment) return { value: placeOf(environment, cwd), origin: 'environment' }
  const { history } = await readConfig(source)
  if (history !== undefined) return { value: placeOf(history, cwd), origin: 'configuration' }
  return { value: resolve(cwd, defaultHistory), origin: 'default' }
}

/** @throws CliError `CLI_USAGE`, without the address: a password that is not escaped may be anywhere in it. */
function placeOf(history: string, cwd: string): string {
  const [scheme] = /^[a-z]{2,}:\/\//i.exec(history) ?? []
  if (scheme === undefined) return resolve(cwd, history)
  if (URL.canParse(history)) return history
  throw usageError(
    `The history ${scheme}… cannot be read as a URL; escape what is in its password (/ as %2F, @ as %40)`,
  )
}

/**
 * The token of a feed: never an option, since whoever lists the processes of a machine reads these.
 *
 * @throws CliError `CLI_FILE_UNREADABLE`.
 */
export async function historyTokenSetting({ env, cwd }: SettingsSource): Promise<string | undefined> {
  const { BACKSTORY_HISTORY_TOKEN: token, BACKSTORY_HISTORY_TOKEN_FILE: file } = env
  if (token) return token
  if (!file) return undefined
  try {
    return (await readFile(resolve(cwd, file), 'utf8')).trim()
  } catch (cause) {
    throw new CliError('CLI_FILE_UNREADABLE', `${file} cannot be read: ${(cause as Error).message}`, {
      cause,
    })
  }
}

/** The management API's URL, undefined where none is named: it is never guessed from the broker's. */
export function managementSetting(
  option: string | undefined,
  { env }: Pick<SettingsSource, 'env'>,
): string | undefined {
  return option ?? (env.BACKSTORY_MANAGEMENT || undefined)
}

/** A comma may be part of a password: it parts two URLs only before the next one's scheme. */
function urlsOf(text: string): string[] {
  return text.split(/,\s*(?=amqps?:)/).map((url) => url.trim())
}

async function readConfig({ cwd }: SettingsSource): Promise<BackstoryConfig> {
  const path = configNames.map((name) => join(cwd, name)).find((candidate) => existsSync(candidate))
  if (path === undefined) return {}
  if (!path.endsWith('.json')) return checkConfig((await loadModule(path)).default, path)
  try {
    return checkConfig(JSON.parse(await readFile(path, 'utf8')), path)
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    throw new CliError('CLI_CONFIG_INVALID', `${path} is no JSON: ${(cause as Error).message}`, { cause })
  }
}

/** The one that `backstory up` started from this folder. */
async function developmentBroker({ cwd }: SettingsSource): Promise<string | undefined> {
  const folder = join(cwd, '.backstory')
  if (!existsSync(folder)) return undefined
  const { readState } = await import('../services/dev-state.ts')
  return (await readState(folder))?.url
}

/**
 * The configuration file: `backstory.config.ts` (or .js, .mjs, .json) in the working folder.
 *
 *     import { defineConfig } from 'backstory/config'
 *
 *     export default defineConfig({ broker: 'amqp://localhost', history: 'data/orders.db' })
 */
import { CliError } from './errors.ts'
import { didYouMean } from './suggest.ts'

/** Where things are, for every command; options and environment go before it. */
export interface BackstoryConfig {
  /** amqp: or amqps: URL, or several nodes of one cluster. */
  readonly broker?: string | readonly string[]
  /** Path of the history's SQLite file, from the configuration file's folder. */
  readonly history?: string
}

/** Types a configuration; it comes back as it is. */
export function defineConfig(config: BackstoryConfig): BackstoryConfig {
  return config
}

const keys = ['broker', 'history']

/** @throws CliError `CLI_CONFIG_INVALID` where it is no configuration; the message shows no values. */
export function checkConfig(config: unknown, path: string): BackstoryConfig {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw invalid(path, 'exports no object; export default defineConfig({ … })')
  }
  for (const key of Object.keys(config)) {
    if (!keys.includes(key)) throw invalid(path, `has an unknown setting ${key}${didYouMean(key, keys)}`)
  }
  const { broker, history } = config as { broker?: unknown; history?: unknown }
  const urls = Array.isArray(broker) ? broker : [broker]
  const areUrls = urls.length > 0 && urls.every((url) => typeof url === 'string' && url !== '')
  if (broker !== undefined && !areUrls)
    throw invalid(path, 'has a `broker` that is no URL and no list of URLs')
  if (history !== undefined && (typeof history !== 'string' || history === '')) {
    throw invalid(path, 'has a `history` that is no path')
  }
  return config as BackstoryConfig
}

function invalid(path: string, what: string): CliError {
  return new CliError('CLI_CONFIG_INVALID', `${path} ${what}`)
}

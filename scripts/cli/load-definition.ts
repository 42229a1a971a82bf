/** A consumer definition out of a module of the user's. */
import type { ConsumerDefinition } from '../../consumers/index.ts'
import { CliError } from './errors.ts'
import { loadModule } from './load-module.ts'

/**
 * @param path - Absolute.
 * @param name - Of the export.
 * @throws CliError as `loadModule` does, and `CLI_MODULE_INVALID` where it exports no consumer.
 */
export async function loadDefinition(path: string, name: string): Promise<ConsumerDefinition> {
  const module = await loadModule(path)
  const exported = module[name]
  if (typeof exported !== 'object' || exported === null) {
    const others = Object.keys(module).filter((other) => typeof module[other] === 'object')
    const hint = others.length === 0 ? '' : `; it exports ${others.join(', ')}: name one with --export`
    throw new CliError('CLI_MODULE_INVALID', `${path} has no ${name} export that is a consumer${hint}`)
  }
  const { defineConsumer } = await import('../../consumers/index.ts')
  try {
    return defineConsumer(exported as ConsumerDefinition)
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    throw new CliError('CLI_MODULE_INVALID', `${path} exports no consumer: ${cause.message}`, { cause })
  }
}

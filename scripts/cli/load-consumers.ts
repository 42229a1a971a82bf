/** The consumers that a module of the user's exports, whatever the names of the exports. */
import type { ConsumerDefinition } from '../../consumers/index.ts'
import { CliError } from './errors.ts'
import { loadModule } from './load-module.ts'

/**
 * @param path - Absolute.
 * @throws CliError as `loadModule` does, and `CLI_MODULE_INVALID` where it exports no consumer, or one that
 *   cannot be one.
 */
export async function loadConsumers(path: string): Promise<ConsumerDefinition[]> {
  const exported = new Set(Object.values(await loadModule(path)))
  const candidates = [...exported].filter(isLikeConsumer)
  if (candidates.length === 0) {
    throw new CliError('CLI_MODULE_INVALID', `${path} exports no consumer, as defineConsumer makes it`)
  }
  const { defineConsumer } = await import('../../consumers/index.ts')
  return candidates.map((candidate) => {
    try {
      return defineConsumer(candidate)
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause
      throw new CliError('CLI_MODULE_INVALID', `${path} exports no consumer: ${cause.message}`, { cause })
    }
  })
}

function isLikeConsumer(value: unknown): value is ConsumerDefinition {
  return (
    typeof value === 'object' && value !== null && 'name' in value && 'exchange' in value && 'on' in value
  )
}

/** What the plugins of a replay may use of this process. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { PluginContext } from '../../../replay/index.ts'
import type { Cli } from '../cli.ts'
import { CliError } from '../errors.ts'
import { loadModule } from '../load-module.ts'

export async function pluginContext(cli: Cli, { runId }: { runId: string }): Promise<PluginContext> {
  const { silentLogger } = await import('../../../events/index.ts')
  const token = await cli.historyToken()
  return {
    runId,
    cwd: cli.cwd,
    logger: cli.logsJson ? cli.logger : silentLogger,
    setting: (name) => (name === 'BACKSTORY_HISTORY_TOKEN' ? token : cli.setting(name)),
    brokers: async () => (await cli.broker(undefined)).value,
    history: async () => (await cli.history(undefined)).value,
    stdin: cli.stdin,
    output: {
      async write(text) {
        await cli.output.write(text)
        if (!cli.output.isClosed) return
        // Its events are not told as done: a run that goes on shows them.
        cli.stop(new CliError('CLI_OUTPUT_CLOSED', 'Nobody reads the output any more'))
        throw cli.stopSignal().reason
      },
    },
  }
}

/** Imports a plugin from the working folder: a file, or a package that is installed there. */
export function pluginLoader(cli: Cli): (address: string) => Promise<Readonly<Record<string, unknown>>> {
  return async (address) => {
    if (!address.startsWith('package:')) return await loadModule(cli.path(address))
    const name = address.slice('package:'.length)
    try {
      return await loadModule(createRequire(pathToFileURL(join(cli.cwd, 'x.js'))).resolve(name))
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw cause
      throw new CliError('CLI_MODULE_INVALID', `${name} is not installed: npm install ${name}`, { cause })
    }
  }
}

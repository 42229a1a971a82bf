/** What a plugin is made with, in tests. */
import { silentLogger } from '../events/index.ts'
import type { PluginContext, PluginTarget } from './source.ts'

export function pluginTarget(
  address: string,
  {
    options = {},
    ...context
  }: { readonly options?: Readonly<Record<string, unknown>> } & Partial<PluginContext> = {},
): PluginTarget {
  return {
    address,
    options,
    context: {
      runId: 'r1',
      cwd: process.cwd(),
      logger: silentLogger,
      setting: () => undefined,
      brokers: async () => [],
      history: async () => 'history.db',
      stdin: process.stdin,
      output: { async write() {} },
      ...context,
    },
  }
}

/** What a plugin is made with, in tests. */
import { silentLogger } from '../events/index.ts'
import type { Action, ActionPlugin } from './action.ts'
import { JsonEvent } from './json-event.ts'
import type { ReplayEvent } from './replay-event.ts'
import type { PluginContext, PluginTarget, Source, SourcePlugin } from './source.ts'

export interface Given {
  readonly options?: Readonly<Record<string, unknown>>
  readonly settings?: Readonly<Record<string, string>>
}

export function actionOf(plugin: ActionPlugin, address: string, given: Given = {}): Action {
  return plugin.create(targetOf(address, given))
}

export function sourceOf(plugin: SourcePlugin, address: string, given: Given = {}): Source {
  return plugin.create(targetOf(address, given))
}

function targetOf(address: string, { options = {}, settings = {} }: Given): PluginTarget {
  const context: PluginContext = {
    runId: 'run-7',
    cwd: process.cwd(),
    logger: silentLogger,
    setting: (name) => settings[name],
    brokers: async () => [],
    stdin: process.stdin,
    output: { async write() {} },
  }
  return { address, options, context }
}

/** @param text - JSON, or a value that is said in JSON. */
export function eventOf(text: unknown, position = 1): ReplayEvent {
  const origin = { placeOf: (at: number) => `event ${at}`, tokenOf: String }
  return new JsonEvent(typeof text === 'string' ? text : JSON.stringify(text), position, origin)
}

export const never: AbortSignal = new AbortController().signal

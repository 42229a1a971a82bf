/** Sources and actions as their plugins make them, in tests. */
import type { Action } from './action.ts'
import { JsonEvent } from './json-event.ts'
import { pluginTarget } from './plugin-target.fixture.ts'
import type { ReplayEvent } from './replay-event.ts'
import type { PluginTarget, Source } from './source.ts'

export interface Given {
  readonly options?: Readonly<Record<string, unknown>>
  readonly settings?: Readonly<Record<string, string>>
}

export function actionOf(
  plugin: { create(target: PluginTarget): Action },
  address: string,
  given: Given = {},
): Action {
  return plugin.create(targetOf(address, given))
}

export function sourceOf(
  plugin: { create(target: PluginTarget): Source },
  address: string,
  given: Given = {},
): Source {
  return plugin.create(targetOf(address, given))
}

function targetOf(address: string, { options = {}, settings = {} }: Given): PluginTarget {
  return pluginTarget(address, { options, runId: 'run-7', setting: (name) => settings[name] })
}

/** @param text - JSON, or a value that is said in JSON. */
export function eventOf(text: unknown, position = 1): ReplayEvent {
  const origin = { placeOf: (at: number) => `event ${at}`, tokenOf: String }
  return new JsonEvent(typeof text === 'string' ? text : JSON.stringify(text), position, origin)
}

export const never: AbortSignal = new AbortController().signal

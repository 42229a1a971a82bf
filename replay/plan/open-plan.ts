/** Makes what a plan names: its source, its patterns and its actions. Opens none of them. */
import { compilePattern, EventError, parsePath, valuesAt } from '../../events/index.ts'
import type { Action } from '../action.ts'
import { ReplayError } from '../errors.ts'
import { findPlugin, type ModuleLoader } from '../plugins.ts'
import type { ReplayEvent } from '../replay-event.ts'
import type { Rule } from '../rule.ts'
import type { PluginContext, PluginTarget, Source } from '../source.ts'
import { nameOfRule, type Plan, type PlanAddress, withSettings } from './plan.ts'

export interface OpenedPlan {
  readonly source: Source
  readonly rules: readonly Rule[]
  readonly keyOf: ((event: ReplayEvent) => string | undefined) | undefined
}

export interface PlanContext extends ModuleLoader {
  readonly context: PluginContext
}

/**
 * @throws ReplayError `REPLAY_PLAN_INVALID` with the place in the plan, where a plugin does not take its address
 *   or its options, or a pattern or the key is none; where a rule writes what
 *   the source reads. What `load` throws.
 */
export async function openPlan(plan: Plan, context: PlanContext): Promise<OpenedPlan> {
  const keyOf = plan.key === undefined ? undefined : keyReader(plan.key)
  const source = await make('source', plan.from, { ...context, place: 'from' })
  const rules: Rule[] = []
  for (const [at, rule] of plan.rules.entries()) {
    const { where, to } = rule
    const place = `rules.${at}`
    const pattern = where === undefined ? undefined : told(`${place}.where`, () => compilePattern(where))
    const action: Action = await make('action', to, { ...context, place: `${place}.to` })
    if (action.target !== undefined && source.targets?.includes(action.target))
      throw atPlace(
        `${place}.to`,
        new TypeError(`${action.name} is what the replay reads: let it write elsewhere`),
      )
    rules.push({ name: nameOfRule(rule, at), action, ...(pattern && { pattern }) })
  }
  return { source, rules, keyOf }
}

async function make<Kind extends 'source' | 'action'>(
  kind: Kind,
  typed: PlanAddress,
  { context, load, place }: PlanContext & { place: string },
): Promise<Kind extends 'source' ? Source : Action> {
  const named = typeof typed === 'string' ? { address: typed } : typed
  try {
    const { address, ...options } = withSettings(named, context.setting) as { address: string }
    const target: PluginTarget = { address, options, context }
    const plugin = await findPlugin(kind, address, { load, shown: named.address })
    return (await plugin.create(target)) as Kind extends 'source' ? Source : Action
  } catch (error) {
    throw atPlace(place, error)
  }
}

/** Numbers and texts are keys; anything else is none. */
function keyReader(text: string): (event: ReplayEvent) => string | undefined {
  const path = told('key', () => {
    const { path, end } = parsePath(text)
    if (end < text.length) throw new TypeError(`${text} is no path from its character ${end + 1} on`)
    return path
  })
  return ({ json }) => {
    const [value] = valuesAt(path, json)
    return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
  }
}

function told<Value>(place: string, read: () => Value): Value {
  try {
    return read()
  } catch (error) {
    throw atPlace(place, error)
  }
}

/** A caller's mistake is one of the plan's here. */
function atPlace(place: string, error: unknown): unknown {
  if (!(error instanceof TypeError || error instanceof EventError)) return error
  return new ReplayError('REPLAY_PLAN_INVALID', `${place}: ${error.message}`, { cause: error })
}

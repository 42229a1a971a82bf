/**
 * A plan: what a replay reads, which events it picks and what it does with them, as a YAML or JSON file says it.
 *
 * `${NAME}` in any text stands for a setting of that name, so that no password need be in the file.
 */
import { createHash } from 'node:crypto'
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'
import { parseDocument } from 'yaml'
import { ReplayError } from '../errors.ts'
import type { Order } from '../run/rule-run.ts'
import { planSchema } from './plan-schema.ts'

export interface Plan {
  readonly from: PlanAddress
  readonly rules: readonly PlanRule[]
  readonly order?: Order
  readonly key?: string
  readonly concurrency?: number
  readonly rate?: number
  readonly speed?: number
  readonly retries?: { readonly throttled?: number; readonly unavailable?: number; readonly refused?: number }
  readonly maxErrors?: number | `${number}%`
}

export interface PlanRule {
  readonly name?: string
  readonly where?: Readonly<Record<string, unknown>>
  readonly to: PlanAddress
}

/** With options, those of the plugin. */
export type PlanAddress = string | ({ readonly address: string } & Readonly<Record<string, unknown>>)

let validate: ReturnType<Ajv2020['compile']> | undefined

/**
 * @param value - As JSON or YAML gave it.
 * @throws ReplayError `REPLAY_PLAN_INVALID` with the path to the mistake.
 */
export function checkPlan(value: unknown, { name }: { name: string }): Plan {
  validate ??= new Ajv2020({ allErrors: false, strict: true, strictTypes: false }).compile(planSchema)
  if (!validate(value)) throw invalid(`${name}: ${mistakeOf(validate.errors!)}`)
  const plan = value as unknown as Plan
  const places = new Map<string, string>()
  for (const [at, rule] of plan.rules.entries()) {
    const [called, place] = [nameOfRule(rule, at), `rules.${at}`]
    const first = places.get(called)
    if (first !== undefined)
      throw invalid(`${name}: ${place} has the name of ${first}, ${called}: a report tells them apart by it`)
    places.set(called, place)
  }
  return plan
}

/** Rules without a name are called by their place, from 1 on. */
export function nameOfRule({ name }: PlanRule, at: number): string {
  return name ?? `rule ${at + 1}`
}

/**
 * @param text - YAML, of which JSON is a part.
 * @throws ReplayError `REPLAY_PLAN_INVALID`.
 */
export function parsePlan(text: string, { name }: { name: string }): Plan {
  // Aliases can make a small text a large value.
  const document = parseDocument(text, { version: '1.2', uniqueKeys: true })
  const [error] = document.errors
  if (error !== undefined) throw invalid(`${name}: ${error.message}`, error)
  return checkPlan(document.toJS({ maxAliasCount: 100 }), { name })
}

/** What makes two runs the same: where they read, which events they pick, and what they do. */
export function planFingerprint({ from, rules, order, key }: Plan): string {
  return createHash('sha256').update(JSON.stringify({ from, rules, order, key })).digest('hex')
}

/** @throws TypeError where a setting is named that is not there. */
export function withSettings(value: unknown, setting: (name: string) => string | undefined): unknown {
  if (typeof value === 'string') {
    return value.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
      const found = setting(name)
      if (found === undefined) throw new TypeError(`\${${name}} is not set`)
      return found
    })
  }
  if (Array.isArray(value)) return value.map((one) => withSettings(one, setting))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withSettings(one, setting)]))
}

function mistakeOf([error]: readonly ErrorObject[]): string {
  const { instancePath, message, params } = error!
  const place = instancePath === '' ? 'the plan' : instancePath.slice(1).replaceAll('/', '.')
  const { additionalProperty, allowedValues } = params as Record<string, unknown>
  if (additionalProperty !== undefined) return `${place} has no member \`${additionalProperty}\``
  if (allowedValues !== undefined) return `${place} ${message}: ${(allowedValues as unknown[]).join(', ')}`
  return `${place} ${message}`
}

function invalid(message: string, cause?: unknown): ReplayError {
  return new ReplayError('REPLAY_PLAN_INVALID', message, { cause })
}

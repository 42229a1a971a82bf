/** Retention rules, from options or from a file that holds a list of them. */
import { readFile } from 'node:fs/promises'
import type { PruneRule } from '../../history/index.ts'
import { ageOf, sizeOf } from './amounts.ts'
import type { Cli } from './cli.ts'
import { CliError, usageError } from './errors.ts'

export interface RuleOptions {
  readonly type: string | undefined
  readonly 'older-than': string | undefined
  readonly 'keep-events': number | undefined
  readonly 'keep-bytes': string | undefined
}

const hint = 'backstory history prune --help'

/** @throws CliError `CLI_USAGE`, `CLI_FILE_UNREADABLE`. */
export async function rulesOf(
  cli: Cli,
  { policy, ...options }: RuleOptions & { policy: string | undefined },
): Promise<PruneRule[]> {
  if (policy === undefined) return [ruleOf(options, '--')]
  if (Object.keys(kinds).some((name) => options[name as keyof RuleOptions] !== undefined))
    throw usageError('--policy has the rules; no other rule goes with it', { hint })
  const rules = parse(await textOf(cli.path(policy)), policy)
  return rules.map((rule) => ruleOf(rule, `${policy}: `))
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new CliError('CLI_FILE_UNREADABLE', `${path} cannot be read`, { cause })
  }
}

/** `[{ "type": "price.changed", "older-than": "90d" }, …]`. */
function parse(text: string, policy: string): RuleOptions[] {
  const problem = (what: string) => usageError(`${policy} ${what}`, { hint })
  let rules: unknown
  try {
    rules = JSON.parse(text)
  } catch {
    throw problem('is no JSON')
  }
  if (!Array.isArray(rules) || rules.length === 0) throw problem('must be a list of rules')
  for (const rule of rules as Record<string, unknown>[]) {
    for (const [name, value] of Object.entries(rule ?? {})) {
      const kind = kinds[name]
      if (kind === undefined)
        throw problem(`has ${name} in a rule, which is none of ${Object.keys(kinds).join(', ')}`)
      if (typeof value !== kind) throw problem(`has ${name} in a rule, which must be a ${kind}`)
    }
  }
  return rules as RuleOptions[]
}

const kinds: Readonly<Record<string, 'string' | 'number'>> = {
  type: 'string',
  'older-than': 'string',
  'keep-events': 'number',
  'keep-bytes': 'string',
}

function ruleOf(rule: RuleOptions, where: string): PruneRule {
  const { type, 'older-than': age, 'keep-events': keepEvents, 'keep-bytes': bytes } = rule
  if (age === undefined && keepEvents === undefined && bytes === undefined)
    throw usageError(`${where}older-than, ${where}keep-events or ${where}keep-bytes is missing`, { hint })
  return {
    ...(type !== undefined && { type }),
    ...(age !== undefined && { olderThanMs: ageOf(age, `${where}older-than`) }),
    ...(keepEvents !== undefined && { keepEvents }),
    ...(bytes !== undefined && { keepBytes: sizeOf(bytes, `${where}keep-bytes`) }),
  }
}

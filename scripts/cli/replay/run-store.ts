/**
 * The runs of a folder: each has its own, with the plan as it was typed, and what `RunFolder` keeps. One that is
 * done to its end is gone.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plan } from '../../../replay/index.ts'
import { CliError, usageError } from '../errors.ts'

const planFile = 'plan.json'

export class RunStore {
  readonly #folder: string

  /** @param folder - Absolute. */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** A name that sorts by time: `20261121-101500-3f9a`. */
  static newId(now = new Date()): string {
    const [date, time] = now.toISOString().replace(/[-:]/g, '').split(/[T.]/)
    return `${date}-${time}-${randomBytes(2).toString('hex')}`
  }

  folderOf(id: string): string {
    return join(this.#folder, id)
  }

  /** Nobody else may read it: an address may hold a password that was typed. */
  async keepPlan(id: string, plan: Plan): Promise<void> {
    const folder = this.folderOf(id)
    const text = `${JSON.stringify(plan, undefined, 2)}\n`
    const file = join(folder, planFile)
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      // Whole, or as it was.
      await writeFile(`${file}.new`, text, { mode: 0o600, flush: true })
      await rename(`${file}.new`, file)
    } catch (cause) {
      const message = `${file} cannot be written: ${(cause as Error).message}; make room, or name a folder for runs with --runs`
      throw new CliError('CLI_FILE_UNREADABLE', message, { cause })
    }
  }

  /**
   * The run that is meant: `last` is the newest.
   *
   * @throws CliError `CLI_USAGE` where there is none, with those that are there.
   */
  find(typed: string): string {
    const ids = existsSync(this.#folder)
      ? readdirSync(this.#folder).filter((id) => existsSync(join(this.#folder, id, planFile)))
      : []
    const found = typed === 'last' ? ids.sort().at(-1) : ids.find((id) => id === typed)
    if (found !== undefined) return found
    const others = ids.length === 0 ? 'nothing is left to do there' : `there are ${ids.sort().join(', ')}`
    throw usageError(`${this.#folder} has no run ${typed}: ${others}`, { hint: 'backstory replay --help' })
  }

  async plan(id: string): Promise<Plan> {
    const { parsePlan } = await import('../../../replay/index.ts')
    const file = join(this.folderOf(id), planFile)
    return parsePlan(await readFile(file, 'utf8'), { name: file })
  }
}

/** The run that a command line is about: a new one, or one to go on with. */
import type { Plan, RunFolder } from '../../../replay/index.ts'
import type { Cli } from '../cli.ts'
import { usageError } from '../errors.ts'
import { RunStore } from './run-store.ts'
import { howTyped, orderTyped, type TypedPlan, typedPlan } from './typed-plan.ts'

export interface ChosenRun {
  readonly run: string
  /** As it was begun with, but for what was typed anew. */
  readonly plan: Plan
  /** What this pass reads: the plan's source, or the failures of the pass before. */
  readonly from: Plan['from']
  readonly pass: number
  /** Whether it begins with this command. */
  readonly isNew: boolean
  /** Makes its folder, or gives the one that is there, locked already; undefined for a dry run, which leaves nothing. */
  open(): Promise<RunFolder | undefined>
  /** Where it comes to nothing before it was opened. Idempotent. */
  release(): Promise<void>
}

export interface TypedRun {
  readonly resume: string | undefined
  readonly retry: string | undefined
  readonly runs: string | undefined
  readonly dryRun: boolean
}

const hint = 'backstory replay --help'

/** @throws CliError `CLI_USAGE`. ReplayError `REPLAY_PLAN_INVALID`, `REPLAY_RUN_BUSY`. */
export async function chooseRun(
  cli: Cli,
  { resume, retry, runs, dryRun, ...typed }: TypedRun & TypedPlan,
): Promise<ChosenRun> {
  const store = new RunStore(cli.path(runs ?? '.backstory/replays'))
  const plan = await typedPlan(cli, typed)
  if (resume !== undefined && retry !== undefined) throw usageError('Either --resume or --retry', { hint })
  const earlier = resume ?? retry
  if (earlier !== undefined) {
    if (dryRun && resume !== undefined) {
      throw usageError('--dry-run does not go with --resume; it does with --retry', { hint })
    }
    if (Object.keys(orderTyped(typed)).length > 0 && (resume !== undefined || plan === undefined)) {
      throw usageError('A run goes on in the order that it began with: leave --order and --key out', { hint })
    }
    if (resume !== undefined && plan !== undefined) {
      throw usageError('--resume goes on with what the run began with: leave the plan out', { hint })
    }
    return await goOn(store, store.find(earlier), { typed, plan, isRetry: retry !== undefined, dryRun })
  }
  if (plan === undefined) throw usageError('Give --from and --to, or a --plan', { hint })
  const run = RunStore.newId()
  return {
    run,
    plan,
    from: plan.from,
    pass: 1,
    isNew: true,
    async open() {
      if (dryRun) return undefined
      await store.keepPlan(run, plan)
      return await openFolder(store, run)
    },
    async release() {},
  }
}

/**
 * Locked before it is looked at: another process may be about to end it.
 *
 * @param options.plan - For a retry: instead of the one that the run began with.
 */
async function goOn(
  store: RunStore,
  run: string,
  {
    typed,
    plan: newPlan,
    isRetry,
    dryRun,
  }: { typed: TypedPlan; plan: Plan | undefined; isRetry: boolean; dryRun: boolean },
): Promise<ChosenRun> {
  const folder = await openFolder(store, run)
  try {
    const { pass = 1, isDone = false } = (await folder.state()) ?? {}
    if (!isRetry && isDone) {
      throw usageError(`${run} is done; --retry ${run} tries its failures again`, { hint })
    }
    if (isRetry && !isDone && pass === 1) {
      throw usageError(`${run} is not done: --resume ${run} first`, { hint })
    }
    if (newPlan !== undefined && !isDone) {
      throw usageError(`${run} is in the middle of a retry: --resume ${run} first, with the plan it has`, {
        hint,
      })
    }
    const before = newPlan ?? (await store.plan(run))
    const plan = { ...before, ...howTyped(typed, before) }
    const next = isDone ? pass + 1 : pass
    return {
      run,
      plan,
      from: next === 1 ? plan.from : folder.failuresOf(next - 1),
      pass: next,
      isNew: false,
      async open() {
        if (dryRun) return undefined
        if (newPlan !== undefined) await store.keepPlan(run, newPlan)
        return folder
      },
      release: async () => await folder.close(),
    }
  } catch (error) {
    await folder.close()
    throw error
  }
}

async function openFolder(store: RunStore, run: string): Promise<RunFolder> {
  const { RunFolder } = await import('../../../replay/index.ts')
  return await RunFolder.open(store.folderOf(run))
}

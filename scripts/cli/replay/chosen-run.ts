/** The run that a command line is about: a new one, or one to go on with. */
import type { Plan, RunFolder } from '../../../replay/index.ts'
import type { Cli } from '../cli.ts'
import { usageError } from '../errors.ts'
import { RunStore } from './run-store.ts'
import { howTyped, type TypedPlan, typedPlan } from './typed-plan.ts'

export interface ChosenRun {
  readonly run: string
  /** As it was begun with, but for what was typed anew. */
  readonly plan: Plan
  /** What this pass reads: the plan's source, or the failures of the pass before. */
  readonly from: Plan['from']
  readonly pass: number
  /** Makes its folder, or locks the one that is there; undefined for a dry run, which leaves nothing. */
  open(): Promise<RunFolder | undefined>
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
    if (dryRun) throw usageError('A dry run has nothing to go on with', { hint })
    if (resume !== undefined && plan !== undefined) {
      throw usageError('--resume goes on with what the run began with: leave the plan out', { hint })
    }
    return await goOn(store, store.find(earlier), { typed, plan, isRetry: retry !== undefined })
  }
  if (plan === undefined) throw usageError('Give --from and --to, or a --plan', { hint })
  const run = RunStore.newId()
  return {
    run,
    plan,
    from: plan.from,
    pass: 1,
    async open() {
      if (dryRun) return undefined
      await store.keepPlan(run, plan)
      return await openFolder(store, run)
    },
  }
}

/** @param options.plan - For a retry: instead of the one that the run began with. */
async function goOn(
  store: RunStore,
  run: string,
  { typed, plan: newPlan, isRetry }: { typed: TypedPlan; plan: Plan | undefined; isRetry: boolean },
): Promise<ChosenRun> {
  const { RunFolder } = await import('../../../replay/index.ts')
  const { pass = 1, isDone = false } = (await RunFolder.stateOf(store.folderOf(run))) ?? {}
  if (!isRetry && isDone)
    throw usageError(`${run} is done; --retry ${run} tries its failures again`, { hint })
  if (isRetry && !isDone && pass === 1)
    throw usageError(`${run} is not done: --resume ${run} first`, { hint })
  const plan = { ...(newPlan ?? (await store.plan(run))), ...howTyped(typed) }
  const next = isDone ? pass + 1 : pass
  return {
    run,
    plan,
    from: next === 1 ? plan.from : RunFolder.failuresOf(store.folderOf(run), next - 1),
    pass: next,
    async open() {
      if (newPlan !== undefined) await store.keepPlan(run, newPlan)
      return await openFolder(store, run)
    },
  }
}

async function openFolder(store: RunStore, run: string): Promise<RunFolder> {
  const { RunFolder } = await import('../../../replay/index.ts')
  return await RunFolder.open(store.folderOf(run))
}

/**
 * Replay: events from a source, picked by rules, each acted on, in order, in memory that does not grow.
 *
 * It goes in rounds. A round is read and picked while the one before it is acted on; when all of a round is
 * settled, its failures are written, then a checkpoint. A run that is killed goes on from its checkpoint and does
 * again what came after: with actions that are idempotent, the end is that of a run never killed.
 */
import { ReplayError } from './errors.ts'
import type { ReplayOptions } from './replay-options.ts'
import type { ReplayReport } from './report/report.ts'
import { Run, type StateToGoOnFrom } from './run/run.ts'
import { type RunOptions, resolveOptions } from './run/run-options.ts'

/**
 * @returns The report: also of a run that was ended by `signal` or by too many failures.
 * @throws TypeError for options that cannot be. ReplayError as the source's `open` and `read` and the actions'
 *   `open`; `REPLAY_CHECKPOINT_FOREIGN` where the folder's checkpoint is of another replay; `REPLAY_RUN_UNWRITABLE` where
 *   failures or a checkpoint cannot be written there. What an action throws
 *   that is no `ActionFailure` is thrown as it is.
 */
export async function replay(options: ReplayOptions): Promise<ReplayReport> {
  const resolved = resolveOptions(options)
  const from = await stateToGoOnFrom(resolved)
  return await new Run(resolved, from.state).go(from)
}

async function stateToGoOnFrom({ dryRun, checkpoints }: RunOptions): Promise<StateToGoOnFrom> {
  if (dryRun || checkpoints === undefined) return { state: undefined, actions: [] }
  const { folder, pass = 1, fingerprint = '' } = checkpoints
  const state = await folder.state()
  // A later pass begins anew, but adds to what the actions have done in the one before.
  if (state === undefined || state.pass < pass) return { state: undefined, actions: state?.actions ?? [] }
  if (state.pass > pass || state.isDone) {
    throw new ReplayError('REPLAY_CHECKPOINT_FOREIGN', `Pass ${pass} of ${folder.folder} is done already`)
  }
  if (state.fingerprint === fingerprint) return { state, actions: state.actions }
  throw new ReplayError(
    'REPLAY_CHECKPOINT_FOREIGN',
    `The run in ${folder.folder} had another source, or other rules: go on with those it began with`,
  )
}

/** `backstory replay`: picks events of a source by pattern, and acts on each. */
import type { OpenedPlan, ReplayProgress, ReplayReport, RunFolder } from '../../../replay/index.ts'
import type { Cli } from '../cli.ts'
import { defineCommand } from '../command.ts'
import { confirm } from '../confirm.ts'
import { exitCodeOf } from '../errors.ts'
import { type ChosenRun, chooseRun } from '../replay/chosen-run.ts'
import { listPlugins } from '../replay/list-plugins.ts'
import { pluginContext, pluginLoader } from '../replay/plugin-context.ts'
import { requireReportFiles, tellReport, writeReport } from '../replay/tell-report.ts'
import { planOptions } from '../replay/typed-plan.ts'

const hint = 'backstory replay --help'

export const replayCommand = defineCommand({
  name: 'replay',
  summary: 'Pick events of a history, of files or of a table by pattern, and act on each',
  positionals: {},
  options: {
    ...planOptions,
    'dry-run': { type: 'flag', alias: 'n', describe: 'Tell what would be done, and do nothing' },
    report: { type: 'texts', value: 'FILE', describe: 'Write the report there: .json, or .xml for JUnit' },
    json: { type: 'flag', describe: 'The report for programs: one line of JSON' },
    resume: {
      type: 'text',
      value: 'RUN',
      describe: 'Go on with a run that ended before it was done, or last',
    },
    retry: { type: 'text', value: 'RUN', describe: 'Only the failures of a run that is done, or last' },
    runs: {
      type: 'text',
      value: 'FOLDER',
      describe: 'Where runs keep what they need to go on',
      defaultDescription: '.backstory/replays',
    },
    list: { type: 'flag', describe: 'List every source and action, with its options, and do nothing' },
    yes: {
      type: 'flag',
      alias: 'y',
      describe: 'Write to what is not on this machine, or take from it, without asking',
    },
  },
  examples: [
    [`replay --from history --where '{"type":["order.placed"]}' --to print`, 'Pick and look'],
    ['replay --from orders.jsonl --to sqlite:orders.db --to-option table=orders --dry-run', 'See it first'],
    ['replay --plan plan.yaml --report report.json --report junit.xml --yes', 'In a pipeline'],
    ['replay --resume last', 'Go on after a crash'],
    ['replay --list', 'Every source and action'],
  ],
  async run({ 'dry-run': dryRun, report: files, json, list, yes, ...typed }, cli) {
    if (list) return await listPlugins(cli)
    await requireReportFiles(cli, files)
    const chosen = await chooseRun(cli, { ...typed, dryRun })
    try {
      return await carryOutAndTell(cli, chosen, { dryRun, files, json, yes, runs: typed.runs })
    } finally {
      await chosen.release()
    }
  },
})

interface Telling {
  readonly dryRun: boolean
  readonly files: readonly string[]
  readonly json: boolean
  readonly yes: boolean
  readonly runs: string | undefined
}

async function carryOutAndTell(
  cli: Cli,
  chosen: ChosenRun,
  { dryRun, files, json, yes, runs }: Telling,
): Promise<number> {
  const { run, plan, from, pass, isNew } = chosen
  const { openPlan } = await import('../../../replay/index.ts')
  const context = await pluginContext(cli, { runId: run })
  const opened = await openPlan({ ...plan, from }, { context, load: pluginLoader(cli) })
  if (!dryRun) await confirmRemote(cli, opened, { yes })
  const folder = await chosen.open()
  try {
    // A process that is killed says nothing any more.
    const { 'go on': goOn } = nextSteps({ ended: 'interrupted' }, { run, runs })
    // One that was there before may have acted, and been killed before its first checkpoint.
    let hasBegun = !isNew
    const onStart = () => {
      hasBegun = true
      if (folder !== undefined) cli.say(`Run ${run}. Where it is killed: ${goOn}`)
    }
    let broken: ReplayReport | undefined
    const onError = (report: ReplayReport) => {
      broken = report
    }
    const work = { chosen, opened, folder, dryRun, onStart, onError }
    const report = await carryOut(cli, work).catch(async (error: unknown) => {
      // What broke the run is what is told, whether the report can be written or not.
      if (broken !== undefined)
        await writeReport(cli, { ...broken, exitCode: exitCodeOf(error) }, files).catch(
          ({ message }: Error) => cli.say(message),
        )
      if (folder !== undefined && hasBegun && !isRefusal(error)) cli.say(`To go on: ${goOn}`)
      // Nothing is there to go on with.
      if (!hasBegun) await folder?.tidy({ pass, isNeeded: false })
      throw error
    })
    const isNeeded = report.ended !== 'done' || report.failed > 0
    if (report.ended === 'done') await folder?.tidy({ pass, isNeeded })
    const next = folder !== undefined && isNeeded ? nextSteps(report, { run, runs }) : {}
    await tellReport(cli, report, { json, files, next })
    return report.ended === 'interrupted' ? exitCodeOf(cli.stopSignal().reason) : report.exitCode
  } finally {
    await folder?.close()
  }
}

/** To go on would be refused for the same reason. */
function isRefusal(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return code === 'REPLAY_CHECKPOINT_FOREIGN' || code === 'REPLAY_PLAN_INVALID'
}

async function carryOut(
  cli: Cli,
  {
    chosen: { run, plan, pass },
    opened: { source, rules, keyOf },
    folder,
    dryRun,
    onStart,
    onError,
  }: {
    chosen: ChosenRun
    opened: OpenedPlan
    folder: RunFolder | undefined
    dryRun: boolean
    onStart(): void
    onError(report: ReplayReport): void
  },
): Promise<ReplayReport> {
  const { planFingerprint, replay } = await import('../../../replay/index.ts')
  const { order, concurrency, rate, speed, retries, maxErrors } = plan
  const progress = replayProgress(cli)
  try {
    return await replay({
      run,
      source,
      rules,
      dryRun,
      signal: cli.stopSignal(),
      logger: cli.logger,
      onStart,
      onError,
      onProgress: progress.onProgress,
      ...(keyOf && { keyOf }),
      ...(order && { order }),
      ...(concurrency && { concurrency }),
      ...(rate && { rate }),
      ...(speed && { speed }),
      ...(retries && { retries }),
      ...(maxErrors !== undefined && { maxFailures: maxErrors }),
      ...(folder && { checkpoints: { folder, pass, fingerprint: planFingerprint(plan) } }),
    })
  } finally {
    progress.end()
  }
}

async function confirmRemote(
  cli: Cli,
  { source, rules }: OpenedPlan,
  { yes }: { yes: boolean },
): Promise<void> {
  if (source.takes === true && source.isLocal !== true) {
    const what = `Events are taken out of ${source.name}, which is not on this machine`
    await confirm(cli, { what, yes, hint })
  }
  for (const { action } of rules) {
    const { name, isLocal } = action
    if (!isLocal)
      await confirm(cli, { what: `Events go to ${name}, which is not on this machine`, yes, hint })
  }
}

/** By events where the source knows how many it has, else by its bytes. */
function replayProgress(cli: Cli): { onProgress(progress: ReplayProgress): void; end(): void } {
  let now: ReplayProgress | undefined
  const end = cli.progress({
    unit: 'events',
    read() {
      if (now === undefined) return { done: 0 }
      const { read: done, failed, bytes, size } = now
      const note = failed > 0 ? `${failed} failed` : undefined
      const total = size.events ?? estimateOf(done, { bytes, of: size.bytes })
      return {
        done,
        ...(total !== undefined && { total, isEstimate: size.events === undefined }),
        ...(note && { note }),
      }
    },
  })
  return {
    onProgress(progress) {
      now = progress
    },
    end,
  }
}

/** Undefined where nothing says it: nothing was read yet, or all was, so that what is left to do is unknown. */
function estimateOf(
  done: number,
  { bytes, of }: { bytes: number; of: number | undefined },
): number | undefined {
  return of === undefined || bytes === 0 || bytes >= of ? undefined : Math.round((done * of) / bytes)
}

function nextSteps(
  { ended }: Pick<ReplayReport, 'ended'>,
  { run, runs }: { run: string; runs: string | undefined },
): Readonly<Record<string, string>> {
  const place = runs === undefined ? '' : ` --runs ${/^[\w./-]+$/.test(runs) ? runs : JSON.stringify(runs)}`
  if (ended === 'done') return { 'try the failures again': `backstory replay --retry ${run}${place}` }
  const goOn = `backstory replay --resume ${run}${place}`
  if (ended === 'interrupted') return { 'go on': goOn }
  // Where the cause is mended, those that have failed are tried again after the rest.
  return {
    'go on with the rest': `${goOn} --max-errors N`,
    'try the failures again, then': `backstory replay --retry ${run}${place}`,
  }
}

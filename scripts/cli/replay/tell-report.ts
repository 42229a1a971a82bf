/** Tells what came of a replay: on standard output, and in files. */
import { open, writeFile } from 'node:fs/promises'
import type { ReplayReport } from '../../../replay/index.ts'
import type { Cli } from '../cli.ts'
import { CliError, exitCodeOf, exitCodes, usageError } from '../errors.ts'

/**
 * Before anything is done: it would be late to learn it at the end.
 *
 * @param cli - Whose folder paths start from.
 * @throws CliError `CLI_USAGE` for a name that says no format, or of a file that is no report, `CLI_FILE_UNREADABLE` for a place where no file can be.
 */
export async function requireReportFiles(cli: Cli, files: readonly string[]): Promise<void> {
  for (const file of files) {
    if (!/\.(json|xml)$/.test(file)) {
      throw usageError(`--report ${file}: name a file that ends in .json, or in .xml for JUnit`, {
        hint: 'backstory replay --help',
      })
    }
    await requireReportOrNothing(cli.path(file), file)
    try {
      // Made, if it is not there, and left as it is.
      await (await open(cli.path(file), 'a')).close()
    } catch (cause) {
      const message = `--report ${file} cannot be written: ${(cause as Error).message}`
      throw new CliError('CLI_FILE_UNREADABLE', message, { cause })
    }
  }
}

/** What an earlier run has left there; nothing else is written over, such as the file that is replayed. */
const reportHead = /^\{\s*"run":\s*"[^"]*",\s*"pass":|^<\?xml[^>]*>\s*<testsuites name="backstory replay/

async function requireReportOrNothing(path: string, typed: string): Promise<void> {
  const head = await headOf(path)
  if (head === '' || reportHead.test(head)) return
  throw usageError(`--report ${typed} is there already, and is no report: name another file`, {
    hint: 'backstory replay --help',
  })
}

/** Empty where there is no file, or none that can be read: what cannot be written either is told by writing. */
async function headOf(path: string): Promise<string> {
  try {
    await using file = await open(path)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(reportHeadBytes), 0, reportHeadBytes, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } catch {
    return ''
  }
}

const reportHeadBytes = 300

/**
 * The report stands on standard output, but where an action prints events there: then among what is said.
 *
 * @param options.next - Commands to go on with, by what each does.
 * @throws CliError `CLI_FILE_UNREADABLE`; `CLI_OUTPUT_CLOSED` where the run was to do nothing but print, and nobody
 *   reads that any more.
 */
export async function tellReport(
  cli: Cli,
  run: ReplayReport,
  { json, files, next }: { json: boolean; files: readonly string[]; next: Readonly<Record<string, string>> },
): Promise<void> {
  const { reportText } = await import('../../../replay/index.ts')
  const isPrint = ({ action }: { action: string }) => action === 'print'
  const isEnough = cli.output.isClosed && run.failed === 0 && run.rules.every(isPrint)
  const exitCode = run.ended === 'interrupted' ? exitCodeOf(cli.stopSignal().reason) : run.exitCode
  const report = { ...run, exitCode: isEnough ? exitCodes.ok : exitCode }
  await writeReport(cli, report, files)
  if (isEnough) cli.output.requireReader()
  const printsEvents = !report.dryRun && report.rules.some(isPrint)
  if (json && !printsEvents) await cli.output.json(report)
  else if (json) cli.say(JSON.stringify(report))
  else if (!json && !printsEvents) await cli.output.write(reportText(report, { next }))
  else if (!json) for (const line of reportText(report, { next }).trimEnd().split('\n')) cli.say(line)
  // In a pipe, where the report is for a program, the way on is for whoever looks.
  if (json) for (const [what, command] of Object.entries(next)) cli.say(`To ${what}: ${command}`)
}

/** In the files that were asked for. @throws CliError `CLI_FILE_UNREADABLE`. */
export async function writeReport(cli: Cli, report: ReplayReport, files: readonly string[]): Promise<void> {
  const { junitXml } = await import('../../../replay/index.ts')
  for (const file of files) {
    const text = file.endsWith('.xml') ? junitXml(report) : `${JSON.stringify(report, undefined, 2)}\n`
    try {
      await writeFile(cli.path(file), text)
    } catch (cause) {
      const message = `The report cannot be written: ${(cause as Error).message}`
      throw new CliError('CLI_FILE_UNREADABLE', message, { cause })
    }
  }
}

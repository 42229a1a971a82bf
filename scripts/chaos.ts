/**
 * `npm run chaos`: publishers, a recorder and consumers as real processes on a real RabbitMQ, faults drawn
 * from a seed, and then the question whether everything the toolkit promises still holds.
 *
 * Standard output has the verdict; what happens meanwhile goes to standard error.
 */
import { parseOptions, usage } from './chaos/options.ts'
import { runChaos } from './chaos/run.ts'
import { verdictText } from './chaos/verdict-text.ts'
import { ServiceError } from './services/errors.ts'

process.exitCode = await main()

async function main(): Promise<number> {
  let options: ReturnType<typeof parseOptions>
  try {
    options = parseOptions(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`)
    return 2
  }
  if (options === undefined) {
    process.stdout.write(usage)
    return 0
  }
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stop.abort())
  const say = (line: string) => void process.stderr.write(`${line}\n`)
  try {
    const report = await runChaos(options, { say, signal: stop.signal })
    process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : verdictText(report))
    return report.ok ? 0 : 1
  } catch (error) {
    if (stop.signal.aborted) say('Interrupted')
    else if (error instanceof ServiceError) say(`${error.message}\n(${error.code})`)
    else throw error
    return 2
  }
}

/** Runs a command to its end and hands back what it wrote, telling each line as it comes. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface Ran {
  /** Exit code; undefined where the command could not be run, or died of a signal. */
  readonly code: number | undefined
  /** Standard output and standard error, in the order in which the lines came. */
  readonly output: string
}

/**
 * @param options.env - Added to this process's own.
 * @param options.onLine - Called with each line of both outputs.
 */
export async function run(
  file: string,
  args: readonly string[],
  { env = {}, onLine = () => {} }: { env?: NodeJS.ProcessEnv; onLine?: (line: string) => void } = {},
): Promise<Ran> {
  const lines: string[] = []
  const child = spawn(file, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      lines.push(line)
      onLine(line)
    })
  }
  const code = await new Promise<number | undefined>((resolve) => {
    child.once('error', (error) => {
      lines.push(error.message)
      resolve(undefined)
    })
    child.once('close', (exitCode) => resolve(exitCode ?? undefined))
  })
  return { code, output: lines.join('\n') }
}

/**
 * The process around a command: arguments aside, all that it reads from and writes to.
 *
 * Commands get it handed in, so that tests run them without a process, and so that `process.env` is read
 * in one place.
 */
import type { Readable, Writable } from 'node:stream'

export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  /** Calls `listener` for SIGINT, SIGTERM and SIGHUP, which then end the process no more by themselves. */
  onSignal(listener: (signal: NodeJS.Signals) => void): () => void
  /** Ends the process at once. */
  exit(code: number): void
}

export type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number }

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export function processIo(): Io {
  const { env, stdin, stdout, stderr } = process
  return {
    env,
    cwd: process.cwd(),
    stdin,
    stdout,
    stderr,
    onSignal(listener) {
      for (const signal of signals) process.on(signal, listener)
      return () => {
        for (const signal of signals) process.off(signal, listener)
      }
    },
    exit: (code) => process.exit(code),
  }
}

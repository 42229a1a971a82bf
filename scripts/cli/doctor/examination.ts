/**
 * The examination: every check at the same time, each with a time limit, so that one dead part hides nothing
 * of the others.
 *
 * A check tells what it found, in plain words, with what to do. One that fails is a finding too.
 */

/** `ok`: as it should be. `warn`: works, and will not for ever. `fail`: does not work. */
export type Level = 'ok' | 'warn' | 'fail'

export interface Finding {
  readonly level: Level
  readonly message: string
}

export interface Check {
  /** What is checked, such as `broker`. */
  readonly name: string
  /** @param signal - Aborted when the time is over: what is open is to be closed. */
  run(signal: AbortSignal): Promise<readonly Finding[]>
}

export interface Examined extends Finding {
  readonly check: string
}

export interface Examination {
  readonly findings: readonly Examined[]
  /** True where a check did not end in its time: something of it may still be open. */
  readonly isStuck: boolean
}

export async function examine(
  checks: readonly Check[],
  { timeoutMs }: { timeoutMs: number },
): Promise<Examination> {
  let isStuck = false
  const examined = await Promise.all(
    checks.map(async ({ name, run }) => {
      const found = await withinTime(run, timeoutMs)
      isStuck ||= found === undefined
      return (found ?? [late(timeoutMs)]).map((finding) => ({ check: name, ...finding }))
    }),
  )
  return { findings: examined.flat(), isStuck }
}

/** @returns undefined where it took too long. */
async function withinTime(run: Check['run'], timeoutMs: number): Promise<readonly Finding[] | undefined> {
  const over = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      over.abort()
      resolve(undefined)
    }, timeoutMs)
  })
  try {
    return await Promise.race([run(over.signal).catch((error: unknown) => [failed(error)]), late])
  } finally {
    clearTimeout(timer)
  }
}

function late(timeoutMs: number): Finding {
  return {
    level: 'fail',
    message: `did not answer within ${timeoutMs / 1_000} s: it hangs, or is very slow; --timeout gives it longer`,
  }
}

/** Every error of ours says what to do, and shows no password. */
function failed(error: unknown): Finding {
  const { code, message } = error as { code?: unknown; message?: string }
  return {
    level: 'fail',
    message: typeof code === 'string' ? `${code}: ${message}` : String(message ?? error),
  }
}

export function ok(message: string): Finding {
  return { level: 'ok', message }
}

export function warn(message: string): Finding {
  return { level: 'warn', message }
}

export function fail(message: string): Finding {
  return { level: 'fail', message }
}

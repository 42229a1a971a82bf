/** A bound on what a server may take to answer. */
export async function within<Result>(
  answer: Promise<Result>,
  { timeoutMs, onTimeout }: { timeoutMs: number; onTimeout: () => void },
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      onTimeout()
      const error = new Error(`No answer within ${timeoutMs} ms`)
      reject(Object.assign(error, { code: 'ETIMEDOUT' }))
    }, timeoutMs)
  })
  // Once it is cut, whatever it says is of no use.
  answer.catch(() => {})
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}

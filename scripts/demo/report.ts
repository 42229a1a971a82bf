/** Reports a status to the demo, over Node's channel between processes, until the demo ends it. */

const everyMs = 50

/** @param close - Called when the demo ends the process, or is gone itself. */
export function report(status: () => Promise<object> | object, close: () => Promise<void>): void {
  const timer = setInterval(async () => {
    const sent = await status()
    if (process.connected) process.send?.({ status: sent })
  }, everyMs)
  const end = async () => {
    clearInterval(timer)
    await close()
    process.exit()
  }
  process.once('SIGTERM', end)
  process.once('disconnect', end)
}

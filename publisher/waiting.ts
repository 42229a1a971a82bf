/** Waiting for what may come, a time that may pass, or a signal that says to stop. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Wakes one waiter; a ring while nobody waits is heard by the next one. */
export class Bell {
  #rung = false
  #wake: (() => void) | undefined

  ring(): void {
    this.#rung = true
    this.#wake?.()
  }

  /** Resolves at a ring, or after `ms`. */
  async wait(ms: number): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.#wake = undefined
    }
    this.#rung = false
  }
}

/** Resolves when `work` has settled, or at the signal; leaves nothing behind on the signal. */
export async function unlessAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  let stop!: () => void
  const stopped = new Promise<void>((resolve) => {
    stop = resolve
  })
  signal.addEventListener('abort', stop)
  try {
    await Promise.race([work, stopped])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Resolves after `ms`, or at the signal. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {})
}

/** Resolves when `work` has settled, or after `ms`. */
export async function settledWithin(work: Promise<unknown>, ms: number): Promise<void> {
  const giveUp = new AbortController()
  await Promise.race([work, pause(ms, giveUp.signal)])
  giveUp.abort()
}

/** Reads no more capacity units a second than it may: one request at a time, each after what the last one cost. */
import { setTimeout as sleep } from 'node:timers/promises'

export class ReadUnits {
  readonly #perSecond: number | undefined
  #freeAt = 0
  #turn: Promise<unknown> = Promise.resolve()

  /** @param perSecond - Undefined: as many as there are, several requests at a time. */
  constructor(perSecond: number | undefined) {
    this.#perSecond = perSecond
  }

  /** @throws What `ask` throws; what `signal` was aborted with. */
  async spend<Answer extends { readonly ConsumedCapacity?: { readonly CapacityUnits?: number } }>(
    ask: () => Promise<Answer>,
    signal: AbortSignal,
  ): Promise<Answer> {
    const perSecond = this.#perSecond
    if (perSecond === undefined) return await ask()
    const turn = this.#turn.then(async () => {
      const waitMs = this.#freeAt - performance.now()
      if (waitMs > 0) await sleep(waitMs, undefined, { signal })
      const startedAt = performance.now()
      const answer = await ask()
      this.#freeAt = startedAt + ((answer.ConsumedCapacity?.CapacityUnits ?? 0) / perSecond) * 1_000
      return answer
    })
    this.#turn = turn.catch(() => {})
    return await turn
  }
}

/**
 * The verdict on a process: is it alive, and is it ready.
 *
 * Alive: no part has failed for good. A part that waits (for the broker, the disk, the history) is alive,
 * since starting it again would not help. Ready: every part does its work now, and there is
 * one.
 */
import { type HealthParts, recordersOf } from './parts.ts'

export interface PartVerdict {
  readonly part: 'recorder' | 'consumer' | 'relay'
  /** The consumer's name, or the exchange. */
  readonly name: string
  readonly state: string
  /** False where it failed for good. */
  readonly live: boolean
  readonly ready: boolean
  /** Why it is not ready, or what it waits for although it is. */
  readonly reason?: string
}

export interface Verdict {
  readonly live: boolean
  readonly ready: boolean
  readonly parts: readonly PartVerdict[]
}

/** Judges the same parts at any time. */
export class Judge {
  readonly parts: HealthParts
  readonly #failures = new Map<object, string>()

  constructor(parts: HealthParts) {
    this.parts = parts
    const { consumers = [], relay } = parts
    for (const part of [...recordersOf(parts), ...consumers, relay]) {
      part?.stopped.catch((error: unknown) => {
        this.#failures.set(part, error instanceof Error ? error.message : String(error))
      })
    }
  }

  verdict(): Verdict {
    const { consumers = [], relay } = this.parts
    const parts: PartVerdict[] = []
    for (const recorder of recordersOf(this.parts)) {
      const { exchange, state, lastError } = recorder.status
      const ready = state === 'recording'
      const reason = ready ? undefined : (recorderReasons[state] ?? lastError)
      parts.push(this.#judge(recorder, { part: 'recorder', name: exchange, state, ready, reason, lastError }))
    }
    for (const consumer of consumers) {
      const { consumer: name, phase: state, waitingFor, lastError } = consumer.status
      // It goes on live while the history is away; without broker, queue or store it does not.
      const ready = state === 'live' && (waitingFor === undefined || waitingFor === 'history')
      const reason = waitingFor === undefined ? consumerReasons[state] : `waits for the ${waitingFor}`
      parts.push(this.#judge(consumer, { part: 'consumer', name, state, ready, reason, lastError }))
    }
    if (relay !== undefined) {
      const { exchange, state, lastError } = relay.status
      const ready = state === 'relaying'
      const reason = ready ? undefined : relayReasons[state]
      parts.push(this.#judge(relay, { part: 'relay', name: exchange, state, ready, reason, lastError }))
    }
    const ready = parts.length > 0 && parts.every((part) => part.ready)
    return { live: parts.every(({ live }) => live), ready, parts }
  }

  #judge(
    part: object,
    { reason, lastError, ...told }: Omit<PartVerdict, 'live'> & { readonly lastError: string | undefined },
  ): PartVerdict {
    const failure = this.#failures.get(part)
    if (failure !== undefined) return { ...told, live: false, ready: false, reason: failure }
    const why = [reason, told.ready ? undefined : lastError].filter((text) => text !== undefined)
    return { ...told, live: true, ...(why.length > 0 && { reason: why.join(': ') }) }
  }
}

/** Typed by their text: a state without words here is told by itself. */
const recorderReasons: Readonly<Record<string, string>> = {
  standby: 'another recorder writes the history',
  connecting: 'no channel to the broker',
  holding: 'the history cannot be written',
  stopped: 'it was stopped',
}
const consumerReasons: Readonly<Record<string, string>> = {
  replaying: 'it has not caught up',
  stopped: 'it was stopped',
}
const relayReasons: Readonly<Record<string, string>> = {
  standby: 'another relay empties the outbox',
  connecting: 'no channel to the broker',
  holding: 'the outbox cannot be read, or the broker does not keep an event',
  stopped: 'it was stopped',
}

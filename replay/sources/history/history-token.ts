/** A place in a history, as the token of an event: behind which position, and by what its event is known again. */
import { createHash } from 'node:crypto'
import type { Identity } from '../../../events/index.ts'
import { ReplayError } from '../../errors.ts'

export interface HistoryPlace {
  readonly position: number
  /** Of the event there. */
  readonly check: string
  /** With which position the run ends. */
  readonly upTo: number
}

export function tokenText({ position, check, upTo }: HistoryPlace): string {
  return `${position} ${check} ${upTo}`
}

/** @throws ReplayError `REPLAY_CHECKPOINT_FOREIGN`. */
export function parseToken(token: string): HistoryPlace {
  const [, position, check, upTo] = /^(\d{1,15}) ([0-9a-f]{16}) (\d{1,15})$/.exec(token) ?? []
  if (position !== undefined) return { position: Number(position), check: check!, upTo: Number(upTo) }
  const why = /^\d+$/.test(token)
    ? 'says no event, as an older version has written it'
    : 'is none of a history'
  throw new ReplayError('REPLAY_CHECKPOINT_FOREIGN', `The place ${token} ${why}: begin a new run`)
}

/** What an event is known by again. It stays where an event is erased. */
export function checkOf({ source, id }: Identity): string {
  return createHash('sha256')
    .update(JSON.stringify([source, id]))
    .digest('hex')
    .slice(0, 16)
}

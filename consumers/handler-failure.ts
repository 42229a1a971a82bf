/**
 * A handler's failure on its way out of the transaction that it rolls back, told apart from the store's.
 */
import type { CloudEvent } from '../events/index.ts'
import { ConsumerError } from './errors.ts'

export class HandlerFailure extends Error {
  readonly index: number
  readonly event: CloudEvent

  constructor(cause: unknown, index: number, event: CloudEvent) {
    super('A handler failed', { cause })
    this.index = index
    this.event = event
  }
}

/**
 * What of a transaction's failure is a handler's. A commit that breaks a constraint names no event: in a
 * batch of several each is to be tried alone.
 */
export function asHandlerFailure(
  error: unknown,
  { slice, event }: { slice: number; event: CloudEvent },
): HandlerFailure | 'one of several' | undefined {
  if (error instanceof HandlerFailure) return error
  if (!(error instanceof ConsumerError) || error.code !== 'CONSUMER_COMMIT_REFUSED') return undefined
  return slice > 1 ? 'one of several' : new HandlerFailure(error, 0, event)
}

/** A handler that met a full disk has not failed: the store is unavailable, as it is for us. */
export function handlerError(error: unknown, index: number, event: CloudEvent): unknown {
  const { code } = (error ?? {}) as { code?: unknown }
  const isStore = typeof code === 'string' && /^SQLITE_(FULL|IOERR|READONLY)/.test(code)
  return isStore ? error : new HandlerFailure(error, index, event)
}

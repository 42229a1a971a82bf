/**
 * How the exchange of a history is bound, kept in the history: a consumer's queue must be bound the same way,
 * or it would miss, again and again, what the history has.
 *
 * Nothing is kept for an exchange that is ours to declare. What is kept only grows: to bind by less would
 * leave events in the history that no consumer's queue gets.
 */
import {
  type Binding,
  type Broker,
  BrokerError,
  bindingsBeside,
  bindingsText,
  catchAllOf,
  checkBindings,
} from '../../broker/index.ts'
import type { HistoryReader } from '../reader.ts'
import type { HistoryWriter } from '../writer.ts'

const name = 'bindings'

/**
 * @returns Undefined where the history has none: its exchange is a plain fanout, or no recorder has begun.
 * @throws as `history.note()` does.
 */
export async function readBindings(
  history: Pick<HistoryReader, 'note'>,
): Promise<readonly Binding[] | undefined> {
  const text = await history.note(name)
  if (text === undefined) return undefined
  const bindings: unknown = JSON.parse(text)
  checkBindings(bindings)
  return bindings
}

/**
 * How to bind the exchange: as asked for, as the history has it, or so that all is caught. Kept from then on.
 *
 * @returns Undefined for an exchange that is ours to declare.
 * @throws BrokerError `BROKER_TOPOLOGY_MISMATCH` where less is asked for than the history has; as
 *   `catchAllOf()` does. HistoryError `HISTORY_UNAVAILABLE`.
 */
export async function settleBindings(
  writer: HistoryWriter,
  {
    broker,
    exchange,
    asked,
    signal,
  }: { broker: Broker; exchange: string; asked: readonly Binding[] | undefined; signal: AbortSignal },
): Promise<readonly Binding[] | undefined> {
  const kept = await readBindings(writer)
  const bindings = asked ?? kept ?? (await catchAllOf(broker, { exchange, signal }))
  if (bindings === undefined) return undefined
  const missing = bindingsBeside(kept ?? [], bindings)
  if (missing.length > 0) {
    throw new BrokerError(
      'BROKER_TOPOLOGY_MISMATCH',
      `The history of ${exchange} is bound by ${bindingsText(missing)} as well, and goes on by all that it was bound by: name them too, or begin another history`,
    )
  }
  if (kept === undefined || bindingsBeside(bindings, kept).length > 0)
    await writer.append({ events: [], fences: [], notes: { [name]: JSON.stringify(bindings) } })
  return bindings
}

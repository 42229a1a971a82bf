/** A history in a PostgreSQL database by its address: the database's URL, where need be with `?exchange=`. */
import { HistoryError } from '../errors.ts'
import { shownAddress } from './postgres.ts'

export interface HistoryAddress {
  /** Of the database. */
  readonly url: string
  /** Undefined: whichever is there. */
  readonly exchange: string | undefined
}

/**
 * @param options.exchange - Where given, the history must be this exchange's.
 * @throws HistoryError `HISTORY_FOREIGN` where the address names another exchange.
 */
export function historyAddress({
  history,
  exchange,
}: {
  history: string
  exchange?: string | undefined
}): HistoryAddress {
  // What is no URL is told when it is opened.
  if (!URL.canParse(history)) return { url: history, exchange }
  const url = new URL(history)
  const named = url.searchParams.get('exchange')
  if (named === null) return { url: history, exchange }
  url.searchParams.delete('exchange')
  if (exchange !== undefined && exchange !== named) {
    throw new HistoryError(
      'HISTORY_FOREIGN',
      `${shownAddress(history)} is asked for exchange ${named}, not for ${exchange}; name another history`,
    )
  }
  return { url: url.href, exchange: named }
}

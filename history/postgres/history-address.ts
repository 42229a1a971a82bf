/** A history in a PostgreSQL database by its address: the database's URL, where need be with `?exchange=`. */
import { HistoryError } from '../errors.ts'
import { requirePostgresUrl, shownAddress } from './postgres.ts'

export interface HistoryAddress {
  /** Of the database. */
  readonly url: string
  /** Undefined: whichever is there. */
  readonly exchange: string | undefined
}

/**
 * @param options.exchange - Where given, the history must be this exchange's.
 * @throws TypeError where it is no URL. HistoryError `HISTORY_FOREIGN` where it names another exchange.
 */
export function historyAddress({
  history,
  exchange,
}: {
  history: string
  exchange?: string | undefined
}): HistoryAddress {
  requirePostgresUrl(history)
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

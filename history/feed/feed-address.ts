/** The address of a feed: `https://host:9480/exchanges/orders`, or without the exchange. */
import { HistoryError } from '../errors.ts'

/** Whether an address names a feed rather than a file or a database. */
export function isFeedUrl(address: string): boolean {
  return /^https?:\/\//i.test(address)
}

export interface FeedAddress {
  /** Without a slash at its end. */
  readonly base: string
  readonly exchange: string | undefined
}

/**
 * @throws TypeError for what is no such URL, or has a password, a query or a fragment: a token in a URL ends
 *   up in logs. HistoryError `HISTORY_FOREIGN` where it names another exchange than `exchange`.
 */
export function parseFeedUrl(address: string, exchange: string | undefined): FeedAddress {
  if (!isFeedUrl(address) || !URL.canParse(address)) {
    throw new TypeError('Expected the URL of a feed, such as https://history.example:9480/exchanges/orders')
  }
  const { origin, pathname, username, password, search, hash } = new URL(address)
  if (username !== '' || password !== '' || search !== '' || hash !== '') {
    throw new TypeError(
      'Expected the URL of a feed without user, password, query and fragment; a token goes into `token`',
    )
  }
  const [, prefix = '', named] = /^(.*?)(?:\/exchanges\/([^/]+))?\/*$/.exec(pathname)!
  const found = named === undefined ? undefined : decodeURIComponent(named)
  if (found !== undefined && exchange !== undefined && found !== exchange) {
    throw new HistoryError(
      'HISTORY_FOREIGN',
      `${address} is the history of exchange ${found}, not of ${exchange}; name the right one`,
    )
  }
  return { base: `${origin}${prefix}`, exchange: exchange ?? found }
}

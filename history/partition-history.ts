/**
 * Where the history of a partition is, from where that of its whole exchange would be: the file
 * `orders.db` becomes `orders.2.db`. In a database, and behind a feed, histories go by their exchange's name.
 */
import { extname } from 'node:path'
import { isFeedUrl } from './feed/feed-address.ts'
import { isPostgresUrl } from './postgres/postgres.ts'

/** @param number - Of the partition, from 1. */
export function partitionHistory(history: string, number: number): string {
  if (isFeedUrl(history)) return history.replace(/\/exchanges\/[^/]+\/*$/, '')
  if (isPostgresUrl(history)) return withoutExchange(history)
  const extension = extname(history)
  return `${history.slice(0, history.length - extension.length)}.${number}${extension}`
}

function withoutExchange(history: string): string {
  // What is no URL is told when it is opened.
  if (!URL.canParse(history)) return history
  const url = new URL(history)
  if (!url.searchParams.has('exchange')) return history
  url.searchParams.delete('exchange')
  return url.href
}

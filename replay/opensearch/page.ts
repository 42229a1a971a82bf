/** A page of a search: its documents as they were written, every digit of them. */
import { elementTexts, memberText } from '../../events/index.ts'

export interface Page {
  readonly hits: readonly Hit[]
  /** To be used for the next page: it may change. */
  readonly pit: string | undefined
  /** Of the whole search, where it was asked for. */
  readonly total: number | undefined
  readonly isPartial: boolean
}

export interface Hit {
  readonly index: string
  readonly id: string
  /** The values that it is sorted by, a JSON array. */
  readonly sort: string
  /** The document; undefined where the index does not keep it. */
  readonly text: string | undefined
}

/** @param text - Of an answer with status 200. Undefined where it is no page. */
export function pageOf(text: string): Page | undefined {
  let head: {
    hits?: { hits?: { _index: string; _id: string }[]; total?: { value: number } }
    pit_id?: string
    timed_out?: boolean
    _shards?: { failed?: number }
  } | null
  try {
    head = JSON.parse(text)
  } catch {
    return undefined
  }
  const { hits: found, pit_id: pit, timed_out: isLate, _shards: shards } = head ?? {}
  const hitsText = memberText(text, 'hits')
  const listText = hitsText && memberText(hitsText, 'hits')
  if (!Array.isArray(found?.hits) || listText === undefined) return undefined
  const { hits } = found
  const texts = elementTexts(listText)
  return {
    hits: texts.map((hit, at) => ({
      index: hits[at]!._index,
      id: hits[at]!._id,
      sort: memberText(hit, 'sort') ?? '[]',
      text: memberText(hit, '_source'),
    })),
    pit,
    total: found.total?.value,
    isPartial: isLate === true || (shards?.failed ?? 0) > 0,
  }
}

/** Holes: a page that leaves a position out though there are later ones. */
import type { Page } from './reader.ts'

/** The lowest position that a page should have and has not. */
export function firstMissing(
  page: readonly { readonly position: number }[],
  { after, upTo, limit, first, head }: Required<Page> & { readonly first: number; readonly head: number },
): number | undefined {
  let expected = Math.max(after + 1, first)
  for (const { position } of page) {
    if (position !== expected) return expected
    expected += 1
  }
  return page.length === 0 && limit !== 0 && expected <= Math.min(upTo, head) ? expected : undefined
}

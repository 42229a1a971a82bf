/**
 * The module hook of a broken build: hands out a broken copy in place of one of our files. The module keeps
 * its own URL, so that what it imports is found where it always was.
 */
import { writeFileSync } from 'node:fs'
import type { InitializeHook, LoadHook } from 'node:module'
import type { Swaps } from './broken-build.ts'

let swaps: Swaps = {}

export const initialize: InitializeHook<Swaps> = (data) => {
  swaps = data
}

export const load: LoadHook = async (url, context, nextLoad) => {
  const swap = swaps[url]
  if (swap === undefined) return await nextLoad(url, context)
  writeFileSync(swap.note, '')
  return await nextLoad(swap.url, context)
}

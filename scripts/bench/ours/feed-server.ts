/** Serves a history over HTTP, for another part to read: it has no round of its own. */
import { serveFeed } from '../../../history/index.ts'
import type { Part } from '../part.ts'

export interface FeedSetup {
  readonly history: string
  readonly port: number
}

export async function open({ history, port }: FeedSetup): Promise<Part> {
  const feed = await serveFeed({ histories: [history], port })
  return {
    async round() {
      throw new Error('A feed is measured by who reads it')
    },
    close: () => feed.close(),
  }
}

/**
 * Deliberately broken builds: each takes out one step that the promises rest on, by replacing a piece of
 * source text. A chaos run that does not notice one proves nothing.
 *
 * A text must be there exactly once: where it has been rewritten, a break fails loudly instead of breaking
 * nothing.
 */

export interface Replacement {
  /** A top-level folder and the file's name, wherever it is in there. */
  readonly file: string
  readonly text: string
  readonly by: string
}

export interface Break {
  /** What is left out. */
  readonly without: string
  readonly replacements: readonly Replacement[]
}

const recorder = 'history/recorder/recorder.ts'
const handOver = 'consumers/hand-over.ts'

export const breaks = {
  'ack-before-commit': {
    without: 'the commit before the acknowledgement, in the recorder and in the consumers',
    replacements: [
      {
        file: recorder,
        text: 'let retryMs = retryMsMin\n',
        by: 'let retryMs = retryMsMin\n    channel.ackUpTo(cut.deliveryTag)\n',
      },
      {
        file: handOver,
        text: 'const events = deliveries.filter(',
        by: 'session.ackUpTo(deliveries.at(-1)!.deliveryTag)\n    const events = deliveries.filter(',
      },
    ],
  },
  audit: {
    without: 'the audit',
    replacements: [{ file: handOver, text: 'await audit.step()', by: "'level'" }],
  },
  inbox: {
    without: 'the inbox: nothing of what was applied live is remembered',
    replacements: [
      {
        file: 'consumers/sqlite/sqlite-store.ts',
        text: 'if (!this.#inboxMayHaveRows) return',
        by: 'if (true) return',
      },
      {
        file: 'consumers/sqlite/sqlite-store.ts',
        text: "'INSERT INTO backstory_inbox",
        by: "'INSERT OR IGNORE INTO backstory_inbox",
      },
    ],
  },
  fence: {
    without: 'settle and fence: a replay ends where the history ends just then',
    replacements: [
      { file: handOver, text: 'await clock.sleep(settleMs)', by: '' },
      {
        file: handOver,
        text: 'await history.fence(fence.id)',
        by: '(await history.bounds()).head',
      },
    ],
  },
  resend: {
    without: 'publishing again what was not confirmed when a channel was lost: it counts as confirmed',
    replacements: [
      {
        file: 'publisher/outflow.ts',
        text: 'this.#open.clear()\n    if (replyCodeOf(cause)',
        by: 'for (const lost of open) this.#settle(lost)\n    this.#open.clear()\n    if (replyCodeOf(cause)',
      },
    ],
  },
  'resend-order': {
    without: 'the order in which what was not confirmed is published again',
    replacements: [
      {
        file: 'publisher/outflow.ts',
        text: 'filter((publish) => !publish.settled)\n    this.#open.clear()',
        by: 'filter((publish) => !publish.settled).reverse()\n    this.#open.clear()',
      },
    ],
  },
} as const satisfies Readonly<Record<string, Break>>

export type BreakName = keyof typeof breaks

export const breakNames = Object.keys(breaks) as BreakName[]

/**
 * The protocol with one step taken out: each by a port put in between, never in the code under test.
 */
import type { HistoryReader } from '../../history/index.ts'
import type { Link } from '../link.ts'
import type { ConsumerStore } from '../store.ts'
import type { Tampering } from './consumer.fixture.ts'
import type { Invariant } from './invariants.fixture.ts'
import { answeringOwnFences, overSession } from './session-mutants.fixture.ts'
import type { Effect } from './store.fixture.ts'
import { byIdAlone, hidingMarks, keepingOnFailure, kindOf, savingLater } from './store-mutants.fixture.ts'

export interface Mutant {
  /** What is left out. */
  readonly without: string
  /** What a schedule breaks first, where that matters. */
  readonly breaks: readonly Invariant[]
  readonly tampering: Tampering
}

export const mutants: readonly Mutant[] = [
  {
    without: 'binding before the fence: it binds after',
    breaks: ['I4 source order'],
    tampering: {
      link: (link) =>
        overLink(link, {
          bind: async () => true,
          async fence(queue, id) {
            await link.fence(queue, id)
            if (queue === 'history') await link.bind()
          },
        }),
    },
  },
  {
    without: 'the settle time',
    breaks: ['I4 source order'],
    tampering: {
      clock: (clock, { settleMs }) => ({
        now: clock.now,
        sleep: async (ms) => {
          if (ms !== settleMs) await clock.sleep(ms)
        },
      }),
    },
  },
  {
    without: 'a fence: it replays until nothing more is recorded',
    breaks: ['I4 source order'],
    tampering: overHistory((reader) => ({ fence: async () => (await reader.bounds()).head })),
  },
  {
    without: 'replaying up to the fence: it stops at what was the head before',
    breaks: ['I4 source order'],
    tampering: overHistory((reader) => {
      const heads = new Map<string, number>()
      return {
        async fence(id) {
          const head = heads.get(id) ?? (await reader.bounds()).head
          heads.set(id, head)
          return head
        },
      }
    }),
  },
  {
    without: 'saving the cursor with the effects: it is saved after',
    breaks: ['I3 exactly once'],
    tampering: overStore((store) => ({ transaction: (work) => savingLater(store, work) })),
  },
  {
    without: 'the rollback',
    breaks: ['I3 exactly once'],
    tampering: overStore((store) => ({ transaction: (work) => keepingOnFailure(store, work) })),
  },
  {
    without: 'the inbox in replay',
    breaks: ['I3 exactly once'],
    tampering: overStore((store) => hidingMarks(store, (identity) => kindOf(identity) === 'replay')),
  },
  {
    without: 'the inbox in live',
    breaks: ['I3 exactly once'],
    tampering: overStore((store) => hidingMarks(store, (identity) => kindOf(identity) === 'live')),
  },
  {
    without: 'the inbox in the audit',
    breaks: ['repair without a loss'],
    tampering: overStore((store) => hidingMarks(store, (identity) => kindOf(identity) === 'audit')),
  },
  {
    without: 'the source in the identity that the inbox keeps',
    breaks: ['I3 exactly once', 'I5 acknowledged before durable'],
    tampering: overStore((store) => ({
      transaction: (work) => store.transaction((unit) => work(byIdAlone(unit))),
    })),
  },
  {
    without: 'the source in the identity that the history is asked for',
    breaks: ['I5 acknowledged before durable'],
    tampering: overHistory((reader) => ({
      async positionsOf(identities) {
        const all = await reader.identities({ after: 0, limit: 10_000 })
        return identities.map(({ id }) => all.find((one) => one.id === id)?.position)
      },
    })),
  },
  {
    without: 'the duplicate check against the history',
    breaks: ['I3 exactly once'],
    tampering: overHistory(() => ({
      positionsOf: async (identities) => identities.map(() => undefined),
    })),
  },
  {
    without: 'the audit',
    breaks: ['never caught up'],
    tampering: overHistory(() => ({ identities: async () => [] })),
  },
  {
    without: "waiting for the fence to the consumer's own queue",
    breaks: ['repair without a loss'],
    tampering: { link: (link) => answeringOwnFences(link) },
  },
  {
    without: 'draining the queue before the inbox alone is trusted',
    breaks: ['I3 exactly once'],
    tampering: { link: (link) => answeringOwnFences(link, { onlyFirst: true }) },
  },
  {
    without: 'the commit before the acknowledgement',
    breaks: ['I5 acknowledged before durable'],
    tampering: {
      link: (link) =>
        overLink(link, {
          consume: async () =>
            overSession(await link.consume(), (session) => (max) => {
              const deliveries = session.take(max)
              for (const { deliveryTag } of deliveries.slice(-1)) session.ackUpTo(deliveryTag)
              return deliveries
            }),
        }),
    },
  },
  {
    without: 'the order of positions: a replay sees one before the one below it',
    breaks: ['ended with an error'],
    tampering: overHistory((reader) => ({
      read: async (page) => (await reader.read(page)).filter((_event, index) => index !== 1),
    })),
  },
  {
    without: 'the order of positions: the audit sees one before the one below it',
    breaks: ['ended with an error'],
    tampering: overHistory((reader) => ({
      identities: async (page) => (await reader.identities(page)).filter((_event, index) => index !== 1),
    })),
  },
]

function overLink(link: Link, methods: Partial<Link>): Link {
  return {
    bind: () => link.bind(),
    fence: (queue, id) => link.fence(queue, id),
    tellCursor: (cursor) => link.tellCursor(cursor),
    consume: () => link.consume(),
    ...methods,
  }
}

function overHistory(methods: (reader: HistoryReader) => Partial<HistoryReader>): Tampering {
  return { history: (reader) => ({ ...reader, ...methods(reader) }) }
}

type Store = ConsumerStore<Effect[]>

function overStore(methods: (store: Store) => Partial<Store>): Tampering {
  return { store: (store) => ({ ...store, ...methods(store) }) }
}

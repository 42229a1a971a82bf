/**
 * Tampering with a consumer's store.
 */
import type { Identity } from '../../events/index.ts'
import type { ConsumerState, ConsumerStore, StoreTransaction } from '../store.ts'
import type { Effect } from './store.fixture.ts'

type Store = ConsumerStore<Effect[]>
type Unit = StoreTransaction<Effect[]>
type Work<Result> = (unit: Unit) => Promise<Result>

/** Who asks for the mark of this: a replay has events, the audit has positions, live has neither. */
export function kindOf(identity: Identity): 'replay' | 'audit' | 'live' {
  if (!('position' in identity)) return 'live'
  return 'message' in identity ? 'replay' : 'audit'
}

export function hidingMarks(store: Store, isHidden: (identity: Identity) => boolean): Partial<Store> {
  return {
    transaction: (work) =>
      store.transaction((unit) =>
        work({
          ...unit,
          async marks(identities) {
            const marks = await unit.marks(identities)
            return marks.map((mark, index) => (isHidden(identities[index]!) ? undefined : mark))
          },
          async add(identities, passedAt) {
            const marks = await unit.marks(identities)
            await unit.add(
              identities.filter((_identity, index) => marks[index] === undefined),
              passedAt,
            )
          },
        }),
      ),
  }
}

/** Two transactions in place of one. */
export async function savingLater<Result>(store: Store, work: Work<Result>): Promise<Result> {
  let saved: ConsumerState | undefined
  const result = await store.transaction((unit) =>
    work({
      ...unit,
      async save(state) {
        saved = state
      },
    }),
  )
  await store.transaction((unit) => unit.save(saved!))
  return result
}

/** What was written before a throw is committed. */
export async function keepingOnFailure<Result>(store: Store, work: Work<Result>): Promise<Result> {
  const outcome = await store.transaction(async (unit) => {
    try {
      return { result: await work(unit) }
    } catch (error) {
      return { error }
    }
  })
  if ('error' in outcome) throw outcome.error
  return outcome.result
}

/** Every source is the same to it. */
export function byIdAlone(unit: Unit): Unit {
  const nameless = (identities: readonly Identity[]) => [
    ...new Map(identities.map(({ id }) => [id, { source: '', id }])).values(),
  ]
  return {
    ...unit,
    marks: (identities) => unit.marks(identities.map(({ id }) => ({ source: '', id }))),
    add: (identities) => unit.add(nameless(identities)),
    pass: (identities, at) => unit.pass(nameless(identities), at),
  }
}

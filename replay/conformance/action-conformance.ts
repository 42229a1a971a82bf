/** What every action must hold. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { type Action, ActionFailure, type Outcome } from '../action.ts'
import { JsonEvent } from '../json-event.ts'
import type { ReplayEvent } from '../replay-event.ts'
import { assertNoSecret } from './secrets.ts'

export interface ActionCase {
  /** Another action each time, on the same target, that is not open: as another process would have it. */
  create(): Action | Promise<Action>
  /** Events that it can act on, as values of JSON: three at least, each with an `id` and a `subject` of its own. */
  readonly events: readonly unknown[]
  /** One that it cannot act on, as its own fault. */
  readonly refused?: unknown
  /** What has come of it: rows, files, requests; anew each time, and the same for every target: answers are compared. */
  effects(): unknown
  /** What it was given that nobody may see. */
  readonly secrets?: readonly string[]
  /** An action on a service that is not there. */
  createAway?(): Action | Promise<Action>
}

const timeout = 60_000
const signal = new AbortController().signal

/**
 * @param open - Makes what a test works on, with a target of its own; some tests call it several times. What it
 *   opens it closes by `t.after`.
 */
export function actionConformance(
  name: string,
  open: (t: TestContext) => ActionCase | Promise<ActionCase>,
): void {
  const promise = (title: string, check: (given: Given) => Promise<void>) =>
    test(title, { timeout }, async (t) => {
      const created: Action[] = []
      const another = async () => {
        const of = await open(t)
        const create = async () => {
          const action = await of.create()
          created.push(action)
          return action
        }
        return { of, create }
      }
      t.after(async () => {
        for (const action of created) await action.close()
      })
      const { of, create } = await another()
      const events = of.events.map((event, at) => eventOf(event, at + 1))
      assert.ok(events.length >= 3, 'the case needs three events')
      await check({ t, of, events, create, another, secrets: of.secrets ?? [] })
    })

  describe(`action ${name}`, () => {
    promise(
      'what it would do is worked out before it is opened, and touches nothing',
      async ({ of, events, create }) => {
        const before = await of.effects()
        const action = await create()
        for (const event of events) {
          const { text } = event
          const json = structuredClone(event.json)
          action.describe(action.prepare(event))
          assert.deepEqual([event.text, event.json], [text, json], 'it has changed its event')
        }
        assert.deepEqual(await of.effects(), before)
      },
    )

    promise('what it would do for an event depends on that event alone', async ({ events, create }) => {
      const [action, other] = [await create(), await create()]
      const described = (event: ReplayEvent) => action.describe(action.prepare(event))
      const forwards = events.map(described)
      const backwards = [...events].reverse().map(described).reverse()
      assert.deepEqual(backwards, forwards)
      assert.deepEqual(
        events.map((event) => other.describe(other.prepare(event))),
        forwards,
      )
    })

    promise(
      'what it tells of itself and of its writes is JSON, and shows no secret',
      async ({ events, create, secrets }) => {
        const action = await create()
        assert.ok(action.name !== '')
        assertNoSecret(action.name, secrets, 'its name')
        assert.ok(Number.isInteger(action.batchMax) && action.batchMax >= 1)
        for (const event of events) {
          const write = action.describe(action.prepare(event))
          assert.ok(['sql', 'request', 'message', 'call', 'text'].includes(write.kind), `kind ${write.kind}`)
          assert.equal(JSON.parse(JSON.stringify(write)).kind, write.kind)
          assertNoSecret(write, secrets, 'what it would write')
        }
      },
    )

    promise('acts on each event, and tells an outcome for each', async ({ of, events, create }) => {
      const before = await of.effects()
      const action = await create()
      await action.open({ state: undefined })
      for (const batch of batchesOf(action, events)) {
        const outcomes = await action.act(
          batch.map((event) => action.prepare(event)),
          { signal },
        )
        if (outcomes === undefined) continue
        assert.equal(outcomes.length, batch.length)
        for (const outcome of outcomes)
          assert.ok(outcome === 'done' || outcome === 'skipped', String(outcome))
      }
      await end(action)
      assert.notDeepEqual(await of.effects(), before, 'nothing has come of it')
    })

    promise(
      'a run that is killed and goes on ends as one that was not, where it is idempotent',
      async ({ events, another }) => {
        const whole = await another()
        const action = await whole.create()
        await action.open({ state: undefined })
        await actOn(action, events)
        await end(action)
        const half = Math.floor(events.length / 2)
        // Killed behind its first checkpoint, and behind a later one.
        for (const before of [0, half]) {
          const { of, create } = await another()
          const killed = await create()
          await killed.open({ state: undefined })
          if (before > 0) await actOn(killed, events.slice(0, before))
          const state = await stateOf(killed)
          await actOn(killed, events.slice(before))
          await killed.close()
          const next = await create()
          await next.open({ state })
          await actOn(next, events.slice(before))
          await end(next)
          if (action.isIdempotent) assert.deepEqual(await of.effects(), await whole.of.effects())
        }
      },
    )

    promise(
      'an event that is refused fails alone, as its own fault',
      async ({ t, of, events, create, secrets }) => {
        if (of.refused === undefined) {
          t.skip('the case has none')
          return
        }
        const bad = eventOf(of.refused, events.length + 1)
        const action = await create()
        await action.open({ state: undefined })
        let prepared: unknown
        try {
          prepared = action.prepare(bad)
        } catch (error) {
          assertNoSecret(error, secrets, 'its error')
          const { code } = error as { code?: unknown }
          assert.ok(['REPLAY_EVENT_REFUSED', 'REPLAY_EVENT_UNREADABLE'].includes(String(code)), String(error))
          return
        }
        const batch = [action.prepare(events[0]!), prepared, action.prepare(events[1]!)].slice(
          0,
          action.batchMax,
        )
        const alone = action.batchMax === 1 ? [prepared] : batch
        const outcomes = await action.act(alone, { signal }).catch((error: unknown) => {
          assert.ok(error instanceof ActionFailure, String(error))
          return [error]
        })
        const failure = outcomes?.find((outcome) => typeof outcome !== 'string')
        assert.ok(failure instanceof ActionFailure, 'it was not refused')
        assert.deepEqual([failure.kind, typeof failure.code], ['refused', 'string'])
        assertNoSecret(failure, secrets, 'its failure')
        const at = outcomes!.indexOf(failure)
        // Thrown, it may be of the whole batch: then each is tried alone.
        if (at > 0) assert.equal(outcomes!.length, action.stopsAtFailure ? at + 1 : alone.length)
      },
    )

    promise('closing it twice is closing it once, opened or not', async ({ create }) => {
      const never = await create()
      await never.close()
      await never.close()
      const opened = await create()
      await opened.open({ state: undefined })
      await opened.close()
      await opened.close()
    })

    promise(
      'a service that is not there is told when it is opened, without a secret',
      async ({ t, of, secrets }) => {
        if (of.createAway === undefined) {
          t.skip('the case has none')
          return
        }
        const away = await of.createAway()
        await assert.rejects(away.open({ state: undefined }), (error: Error & { code?: string }) => {
          assertNoSecret(error, secrets, 'its error')
          assert.equal(error.code, 'REPLAY_ACTION_UNAVAILABLE', String(error))
          return true
        })
        await away.close()
      },
    )
  })
}

interface Given {
  readonly t: TestContext
  readonly of: ActionCase
  readonly events: readonly ReplayEvent[]
  readonly secrets: readonly string[]
  create(): Promise<Action>
  /** The case anew, with a target of its own. */
  another(): Promise<{ readonly of: ActionCase; create(): Promise<Action> }>
}

async function actOn(action: Action, events: readonly ReplayEvent[]): Promise<void> {
  for (const batch of batchesOf(action, events)) {
    const outcomes: readonly Outcome[] | undefined = await action.act(
      batch.map((event) => action.prepare(event)),
      { signal },
    )
    for (const outcome of outcomes ?? []) assert.equal(typeof outcome, 'string', String(outcome))
  }
}

function batchesOf(action: Action, events: readonly ReplayEvent[]): ReplayEvent[][] {
  const batches: ReplayEvent[][] = []
  for (let at = 0; at < events.length; at += action.batchMax)
    batches.push(events.slice(at, at + action.batchMax))
  return batches
}

/** As a checkpoint keeps it. */
async function stateOf(action: Action): Promise<unknown> {
  const state = await action.state?.()
  if (state === undefined) return undefined
  const kept = JSON.parse(JSON.stringify(state))
  assert.deepEqual(kept, state, 'its state is no JSON')
  return kept
}

/** As a run does that has come to its end. */
async function end(action: Action): Promise<void> {
  await action.finish?.()
  await action.state?.()
  await action.close()
}

function eventOf(value: unknown, position: number): ReplayEvent {
  return new JsonEvent(JSON.stringify(value), position, {
    placeOf: (at) => `event ${at}`,
    tokenOf: String,
  })
}

/** The consumers of a store: how far they are, and what waits for somebody. */
import type { StoredConsumer } from '../../../consumers/index.ts'
import { count } from '../progress.ts'
import { type Check, type Finding, fail, ok, warn } from './examination.ts'

export interface StoreCheckOptions {
  /** As it may be shown. */
  readonly shown: string
  read(): Promise<readonly StoredConsumer[]>
  /** Of the history of this exchange; undefined where it is not known. */
  headOf(exchange: string): Promise<number | undefined>
}

export function storeCheck({ shown, read, headOf }: StoreCheckOptions): Check {
  return {
    name: `store ${shown}`,
    async run() {
      const findings = []
      for (const consumer of await read()) {
        const head = await headOf(consumer.exchange)
        findings.push(...consumerFindings(consumer, head))
      }
      return findings.length === 0 ? [warn('holds no consumer')] : findings
    },
  }
}

function consumerFindings(
  { name, exchange, state, counts, updatedAt }: StoredConsumer,
  head: number | undefined,
): Finding[] {
  const { phase, cursor } = state
  const parked = counts.parked + counts.reactions
  const seen = `consumer ${name} of ${exchange} is ${phase} at position ${count(cursor)}, saved ${updatedAt.toISOString()}`
  return [
    ok(head === undefined ? seen : `${seen}, ${count(Math.max(head - cursor, 0))} behind the head`),
    ...(head !== undefined && cursor > head
      ? [
          fail(
            `consumer ${name} is at position ${count(cursor)}, above the head ${count(head)}: this history is another, or was restored from an older backup; restore both from one moment`,
          ),
        ]
      : []),
    ...(parked > 0
      ? [warn(`consumer ${name} has ${count(parked)} parked events: see \`backstory parked groups\``)]
      : []),
  ]
}

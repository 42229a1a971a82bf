/** `backstory publish`: events to an exchange, each one confirmed. */
import type { Publisher } from '../../../publisher/index.ts'
import type { Cli } from '../cli.ts'
import { brokerOption, defineCommand, jsonOption, waitBrokerOption } from '../command.ts'
import { codeOf, exitCodes } from '../errors.ts'
import { type Entry, type EventSource, openEventSource } from '../event-source.ts'
import { openBroker } from '../open-broker.ts'
import { partitionsOption } from '../partition-options.ts'
import { count } from '../progress.ts'

export const publishCommand = defineCommand({
  name: 'publish',
  summary: 'Publish events from JSON lines, or one from options; the broker confirms each',
  positionals: {
    exchange: { kind: 'one', describe: 'A durable fanout exchange, made where missing' },
    file: {
      kind: 'optional',
      describe: 'JSON lines: {"type", "data", …} or CloudEvents; - reads standard input',
    },
  },
  options: {
    broker: brokerOption,
    partitions: partitionsOption,
    'wait-broker': waitBrokerOption,
    source: {
      type: 'text',
      value: 'SOURCE',
      describe: 'The source of events that state none; with the id it is their identity',
      defaultDescription: '/backstory/publish',
    },
    type: { type: 'text', value: 'TYPE', describe: 'Publish one event, of this type' },
    data: { type: 'text', value: 'JSON', describe: 'Its data' },
    subject: { type: 'text', value: 'SUBJECT', describe: "Its subject: the entity's key" },
    id: { type: 'text', value: 'ID', describe: 'Its id; default: a new one' },
    header: { type: 'texts', value: 'NAME=VALUE', describe: 'A header of its message; may be given again' },
    json: { ...jsonOption, describe: 'The counts as JSON' },
  },
  examples: [
    ['publish orders events.jsonl', 'One event a line; a bad line is told and left out'],
    ['history list --limit 0 --json | backstory publish copy -', 'From standard input'],
    [`publish orders --type order.placed --subject EC-1 --data '{"price":35800}'`, 'One event'],
  ],
  async run({ exchange, file, broker, source = '/backstory/publish', partitions, json, ...rest }, cli) {
    const single = { ...rest, source }
    const events = await openEventSource(cli, { file, single })
    const signal = cli.stopSignal()
    const waitBroker = rest['wait-broker']
    const connection = await openBroker(cli, {
      broker,
      waitBroker,
      name: `backstory publisher of ${exchange}`,
    })
    try {
      const { openPublisher } = await import('../../../publisher/index.ts')
      const publisher = openPublisher({
        broker: connection,
        exchange,
        source,
        partitions,
        confirmTimeoutMs: confirmTimeoutMs(waitBroker),
        logger: cli.logger,
      })
      const run = new Run(cli, { publisher, events })
      await run.untilDone(signal)
      const code = run.rejected === 0 ? exitCodes.ok : exitCodes.checkFailed
      await told(cli, { published: run.published, rejected: run.rejected }, { json })
      signal.throwIfAborted()
      return code
    } finally {
      await connection.close()
    }
  },
})

/**
 * The broker may be away for long, and an event that was given up may have arrived: where nobody set a
 * bound, it is waited for.
 */
function confirmTimeoutMs(waitBroker: number | undefined): number {
  const longest = 2 ** 31 - 1
  return waitBroker === undefined ? longest : Math.min(Math.max(waitBroker * 1_000, 30_000), longest)
}

async function told(
  cli: Cli,
  counts: { readonly published: number; readonly rejected: number },
  { json }: { json: boolean },
): Promise<void> {
  if (json) await cli.output.json(counts)
  else await cli.output.line(`${count(counts.published)} published, ${count(counts.rejected)} rejected`)
}

class Run {
  published = 0
  rejected = 0
  readonly #cli: Cli
  readonly #publisher: Publisher
  readonly #events: EventSource
  readonly #open = new Set<Promise<void>>()
  /** What no further event could mend. */
  #failure: unknown
  #confirmedAt = Date.now()

  constructor(cli: Cli, { publisher, events }: { publisher: Publisher; events: EventSource }) {
    this.#cli = cli
    this.#publisher = publisher
    this.#events = events
  }

  /** Publishes all there is, or until told to stop, and waits for every confirm. */
  async untilDone(signal: AbortSignal): Promise<void> {
    const stop = () => {
      this.#events.end()
      const { pending } = this.#publisher
      if (pending > 0) this.#cli.say(`Waiting for ${count(pending)} confirms; interrupt again to leave them`)
    }
    signal.addEventListener('abort', stop)
    const endProgress = this.#cli.progress({ unit: 'events', read: () => this.#reading() })
    try {
      for await (const entry of this.#events.entries()) {
        if (signal.aborted || this.#failure !== undefined) break
        await this.#publish(entry)
      }
      await Promise.all(this.#open)
      await this.#publisher.close()
    } finally {
      endProgress()
      signal.removeEventListener('abort', stop)
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  async #publish({ line, event, reason }: Entry): Promise<void> {
    if (event === undefined) return this.#reject(line, reason)
    // Memory holds what is in flight, not what is to come.
    await this.#publisher.room()
    const settled = this.#publisher.publish(event).then(
      () => {
        this.published += 1
        this.#confirmedAt = Date.now()
      },
      (error: unknown) => this.#failed(line, error),
    )
    this.#open.add(settled)
    void settled.then(() => this.#open.delete(settled))
  }

  #failed(line: number | undefined, error: unknown): void {
    const code = codeOf(error)
    if (error instanceof TypeError) this.#reject(line, error.message)
    else if (code?.startsWith('PUBLISH_')) this.#reject(line, `${code}: ${(error as Error).message}`)
    else {
      // The broker refuses the login or the topology: the same for every event.
      this.#failure ??= error
      this.#events.end()
    }
  }

  #reject(line: number | undefined, reason: string): void {
    this.rejected += 1
    this.#cli.logger.warn('line.rejected', { line, error: reason })
  }

  #note(): string | undefined {
    const notes = this.rejected === 0 ? [] : [`${count(this.rejected)} rejected`]
    const { pending } = this.#publisher
    if (pending > 0 && Date.now() - this.#confirmedAt > confirmPatienceMs) {
      notes.push(`waits for ${count(pending)} confirms`)
    }
    return notes.length === 0 ? undefined : notes.join(', ')
  }

  #reading() {
    const extent = this.#events.extent()
    const note = this.#note()
    if (extent === undefined || extent.total === 0) return { done: this.published, note }
    // How much of the file is read tells how many events it may hold.
    const total = Math.round((this.published / Math.max(extent.read, 1)) * extent.total)
    return { done: this.published, total: Math.max(total, this.published), isEstimate: true, note }
  }
}

/** A broker at work confirms within milliseconds; without one, say what is awaited. */
const confirmPatienceMs = 5_000

/**
 * Puts events on a bus of Amazon EventBridge: ten in a request, fewer where they are large.
 *
 * A request may succeed in parts. Each entry that failed is told by its own code: what was throttled, or failed
 * inside EventBridge, is tried again; anything else is refused.
 */
import type {
  EventBridgeClient,
  PutEventsCommand,
  PutEventsRequestEntry,
  PutEventsResultEntry,
} from '@aws-sdk/client-eventbridge'
import { type Action, ActionFailure, type ActionPlugin, type Outcome, type PlannedWrite } from '../action.ts'
import { awsFailure, kindOfCode } from '../aws/aws-failure.ts'
import { type AwsAddress, awsOptions, clientConfig, readAwsOptions } from '../aws/aws-options.ts'
import {
  type EventBridgeMapping,
  eventBridgeEvent,
  mappingOptions,
  readMapping,
} from '../aws/eventbridge-event.ts'
import { askService } from '../aws/opening.ts'
import { boundedMessage } from '../bounded-message.ts'
import { ReplayError } from '../errors.ts'
import { loadDriver } from '../load-driver.ts'
import { PluginOptions } from '../options.ts'
import type { ReplayEvent } from '../replay-event.ts'
import type { PluginTarget } from '../source.ts'

export const action = {
  address: 'eventbridge:BUS',
  summary: 'Puts events on a bus of Amazon EventBridge; BUS is its name or ARN',
  options: {
    ...awsOptions,
    ...mappingOptions,
    timeoutMs: 'Longest wait for an answer in milliseconds; default: 30000',
  },
  create: createEventBridgeAction,
} satisfies ActionPlugin

/** Of a request. */
const entriesMax = 10
/** Of the entries of a request together, and so of one; they must be smaller. */
const entryBytesBelow = 1024 * 1024

function createEventBridgeAction(target: PluginTarget): Action {
  const { address, context } = target
  const bus = address.slice('eventbridge:'.length)
  if (bus === '') throw new TypeError('Expected the name of a bus, as in eventbridge:default')
  const options = new PluginOptions(target)
  const aws = readAwsOptions(options, { context, service: 'EVENTBRIDGE', arn: bus })
  const mapping = readMapping(options)
  const timeoutMs = options.whole('timeoutMs', { min: 1, max: 2_000_000 }) ?? 30_000
  options.end()
  return new EventBridgeAction(aws, { bus, mapping, timeoutMs })
}

interface EventBridgeOptions {
  readonly bus: string
  readonly mapping: EventBridgeMapping
  readonly timeoutMs: number
}

interface Entry {
  readonly request: PutEventsRequestEntry
  readonly bytes: number
}

class EventBridgeAction implements Action<Entry> {
  readonly name: string
  readonly isLocal: boolean
  readonly isIdempotent = false
  readonly batchMax = entriesMax
  readonly stopsAtFailure = false
  readonly #aws: AwsAddress
  readonly #options: EventBridgeOptions
  #client: EventBridgeClient | undefined
  #PutEvents!: typeof PutEventsCommand

  constructor(aws: AwsAddress, options: EventBridgeOptions) {
    this.name = `eventbridge:${options.bus}${aws.where}`
    this.isLocal = aws.isLocal
    this.#aws = aws
    this.#options = options
  }

  prepare(event: ReplayEvent): Entry {
    const { bus, mapping } = this.#options
    const { source, detailType, detail, time, resources } = eventBridgeEvent(event, mapping)
    const request = {
      EventBusName: bus,
      Source: source,
      DetailType: detailType,
      Detail: detail,
      ...(time !== undefined && { Time: time }),
      ...(resources.length > 0 && { Resources: [...resources] }),
    }
    const bytes = entryBytes(request)
    if (bytes < entryBytesBelow) return { request, bytes }
    throw new ReplayError(
      'REPLAY_EVENT_REFUSED',
      `${event.place} has an entry of ${bytes} bytes; EventBridge takes less than ${entryBytesBelow}`,
    )
  }

  describe({ request }: Entry): PlannedWrite {
    return { kind: 'call', to: this.name, input: { ...request, Time: request.Time?.toISOString() } }
  }

  async open(): Promise<void> {
    const { EventBridgeClient, PutEventsCommand, DescribeEventBusCommand } = await loadDriver(
      '@aws-sdk/client-eventbridge',
      { what: 'Amazon EventBridge', load: async () => await import('@aws-sdk/client-eventbridge') },
    )
    this.#PutEvents = PutEventsCommand
    const client = new EventBridgeClient(clientConfig(this.#aws, this.#options))
    this.#client = client
    const { bus } = this.#options
    await askService(this.name, async () => {
      try {
        await client.send(new DescribeEventBusCommand({ Name: bus }))
      } catch (error) {
        // Who may put events need not be allowed to look at the bus: then the first of them tells.
        if ((error as Error).name !== 'AccessDeniedException') throw error
      }
    })
  }

  async act(batch: readonly Entry[], { signal }: { readonly signal: AbortSignal }): Promise<Outcome[]> {
    const outcomes: Outcome[] = []
    for (const entries of requestsOf(batch)) {
      try {
        outcomes.push(...(await this.#put(entries, signal)))
      } catch (error) {
        signal.throwIfAborted()
        const failure = awsFailure(error)
        // A bus that is away is not asked for the rest: all that is left is tried again later.
        if (failure.kind !== 'refused')
          return outcomes.concat(batch.slice(outcomes.length).map(() => failure))
        // One entry may be at fault for a request that is refused as a whole.
        if (entries.length === 1) outcomes.push(failure)
        else for (const entry of entries) outcomes.push(...(await this.act([entry], { signal })))
      }
    }
    return outcomes
  }

  async close(): Promise<void> {
    this.#client?.destroy()
    this.#client = undefined
  }

  async #put(entries: readonly Entry[], signal: AbortSignal): Promise<Outcome[]> {
    const command = new this.#PutEvents({ Entries: entries.map(({ request }) => request) })
    const { Entries: results = [] } = await this.#client!.send(command, { abortSignal: signal })
    return entries.map((_, at) => outcomeOf(results[at]))
  }
}

/** In order, as few as the limits allow. */
function requestsOf(batch: readonly Entry[]): Entry[][] {
  const requests: Entry[][] = []
  let left = 0
  for (const entry of batch) {
    const last = requests.at(-1)
    if (last === undefined || last.length === entriesMax || entry.bytes >= left) {
      requests.push([entry])
      left = entryBytesBelow - entry.bytes
    } else {
      last.push(entry)
      left -= entry.bytes
    }
  }
  return requests
}

/** As EventBridge reckons it, which is not the size of the request. */
function entryBytes({ Time, Source, DetailType, Detail, Resources = [] }: PutEventsRequestEntry): number {
  const texts = [Source!, DetailType!, Detail!, ...Resources]
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), Time === undefined ? 0 : 14)
}

function outcomeOf(result: PutEventsResultEntry | undefined): Outcome {
  if (result?.EventId !== undefined && result.ErrorCode === undefined) return 'done'
  if (result?.ErrorCode === undefined) {
    return new ActionFailure(
      'unavailable',
      'AnswerIncomplete',
      'EventBridge did not tell what came of the entry',
    )
  }
  const { ErrorCode: code, ErrorMessage: message } = result
  return new ActionFailure(kindOfCode(code) ?? 'refused', code, boundedMessage(message ?? code))
}

/** Requests to `_bulk`, and what came of each of their documents. */
import { ActionFailure, type Outcome } from '../action.ts'
import { boundedMessage } from '../bounded-message.ts'
import { errorOf, networkError, type Server, type ServerAnswer } from './server.ts'

export interface BulkOperation {
  /** A line of JSON, or two, each with its line break. */
  readonly lines: string
}

export interface BulkOptions {
  /** With a query, behind the address of the server. */
  readonly path: string
  readonly bodyBytesMax: number
  /** Of a document: what its status means. */
  outcomeOf(status: number): 'done' | 'skipped' | 'conflict' | 'failed'
}

/** Sends operations in bodies of a bounded length, one after the other; tells an outcome for each. */
export async function sendBulk(
  server: Server,
  operations: readonly BulkOperation[],
  options: BulkOptions & { readonly signal: AbortSignal },
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const part of partsOf(operations, options.bodyBytesMax)) {
    outcomes.push(...(await sendPart(server, part, options)))
  }
  return outcomes
}

function partsOf(operations: readonly BulkOperation[], bytesMax: number): BulkOperation[][] {
  const parts: BulkOperation[][] = []
  let left = 0
  for (const operation of operations) {
    const bytes = Buffer.byteLength(operation.lines)
    if (bytes > left) {
      parts.push([])
      left = bytesMax
    }
    parts.at(-1)!.push(operation)
    left -= bytes
  }
  return parts
}

async function sendPart(
  server: Server,
  part: readonly BulkOperation[],
  options: BulkOptions & { readonly signal: AbortSignal },
): Promise<Outcome[]> {
  const { path, signal } = options
  let answer: ServerAnswer
  try {
    const body = part.map(({ lines }) => lines).join('')
    answer = await server.send({ method: 'POST', path, body, contentType: 'application/x-ndjson', signal })
  } catch (error) {
    signal.throwIfAborted()
    const { code, message } = networkError(error)
    return all(part, new ActionFailure('unavailable', code, message, { cause: error }))
  }
  if (answer.status === 413 && part.length > 1) {
    // What is before the server takes less than we do.
    const half = Math.ceil(part.length / 2)
    const first = await sendPart(server, part.slice(0, half), options)
    return [...first, ...(await sendPart(server, part.slice(half), options))]
  }
  if (answer.status !== 200) return all(part, failureOf(answer))
  return itemsOf(answer.text, part.length)?.map((item) => itemOutcome(item, options)) ?? all(part, badAnswer)
}

const badAnswer = new ActionFailure('unavailable', 'BAD_ANSWER', 'The answer does not tell of each document')

function all(part: readonly BulkOperation[], failure: ActionFailure): Outcome[] {
  return part.map(() => failure)
}

/** Of a request as a whole. What it says of rights and of the way there is no fault of an event. */
function failureOf(answer: ServerAnswer): ActionFailure {
  const { status, retryAfterMs } = answer
  const { code, message } = errorOf(answer)
  if (status === 429) {
    return new ActionFailure('throttled', code, boundedMessage(message), {
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    })
  }
  const isOwnFault = status === 400 || status === 413
  return new ActionFailure(isOwnFault ? 'refused' : 'unavailable', code, boundedMessage(message))
}

interface Item {
  readonly status: number
  readonly error?: {
    readonly type?: string
    readonly reason?: string
    readonly caused_by?: { readonly reason?: string }
  }
}

/** Undefined where there are not as many as were sent. */
function itemsOf(text: string, count: number): Item[] | undefined {
  let items: unknown
  try {
    items = (JSON.parse(text) as { items?: unknown } | null)?.items
  } catch {
    return undefined
  }
  if (!Array.isArray(items) || items.length !== count) return undefined
  const told = items.map((item) => Object.values((item ?? {}) as object)[0] as Item | undefined)
  return told.every((item) => typeof item?.status === 'number') ? (told as Item[]) : undefined
}

function itemOutcome({ status, error = {} }: Item, { outcomeOf }: BulkOptions): Outcome {
  const outcome = outcomeOf(status)
  if (outcome === 'done' || outcome === 'skipped') return outcome
  const { type = `HTTP ${status}`, reason = `status ${status}`, caused_by: cause } = error
  const message = boundedMessage(cause?.reason === undefined ? reason : `${reason}: ${cause.reason}`)
  if (status === 429 || outcome === 'conflict') return new ActionFailure('throttled', type, message)
  return new ActionFailure(status >= 500 ? 'unavailable' : 'refused', type, message)
}

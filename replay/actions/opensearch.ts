/**
 * Writes documents to an index of OpenSearch or Elasticsearch: inserts, replaces, updates or deletes them by `_id`.
 */
import { oneLine } from '../../events/index.ts'
import type { Action, ActionPlugin, Outcome, PlannedWrite } from '../action.ts'
import { ReplayError } from '../errors.ts'
import { eventIdentity } from '../event-identity.ts'
import { jsonOf } from '../mapping/json-of.ts'
import { type Mapping, parseMapping } from '../mapping/mapping.ts'
import { type BulkOperation, sendBulk } from '../opensearch/bulk.ts'
import { networkError, requireOk, Server, serverOptions } from '../opensearch/server.ts'
import { PluginOptions } from '../options.ts'
import type { ReplayEvent } from '../replay-event.ts'
import type { PluginTarget } from '../source.ts'

const operations = ['index', 'create', 'update', 'delete'] as const
type Operation = (typeof operations)[number]

const bodyBytesMaxDefault = 5_000_000
/** Of OpenSearch and Elasticsearch. */
const idBytesMax = 512
/** What the answer has of each document, and nothing more. */
const filterPath = [
  'errors',
  'items.*.status',
  ...['type', 'reason', 'caused_by.reason'].map((name) => `items.*.error.${name}`),
]

export const action: ActionPlugin = {
  address: 'opensearch+https://HOST:9200/INDEX, elasticsearch+…',
  summary: 'Writes documents to an index of OpenSearch or Elasticsearch',
  options: {
    operation:
      'index (replaces), create (leaves what is there), update (of some fields) or delete; default index',
    columns: 'Fields of the document: see mappings; default: the event as it is',
    id: 'The _id: a path, a template, or any field of a mapping; default: a digest of source and id',
    version:
      'A whole number that grows, such as $.position: an older one never replaces a newer; index and delete',
    routing: 'What a document is routed by: a field of a mapping',
    exists: 'create, where the document is there: skip or refuse; default skip',
    upsert: 'update: whether a document that is missing is made; default false',
    pipeline: 'An ingest pipeline',
    refresh: 'true, false or wait_for; default false',
    bodyBytesMax: `Bytes of a request; default ${bodyBytesMaxDefault}`,
    ...serverOptions,
  },
  create: createOpenSearchAction,
}

function createOpenSearchAction(target: PluginTarget): Action {
  const options = new PluginOptions(target)
  const server = new Server(target, options)
  if (/[*,]/.test(server.index)) throw new TypeError(`${server.index} is more than one index`)
  const operation = options.choice('operation', operations) ?? 'index'
  const columns = options.object('columns')
  const field = (name: string): Mapping | undefined => {
    const form = options.any(name)
    return form === undefined ? undefined : parseMapping({ [name]: form })
  }
  const write = {
    operation,
    document: columns && parseMapping(columns),
    id: field('id'),
    version: field('version'),
    routing: field('routing'),
    isSkippedWhereThere: (options.choice('exists', ['skip', 'refuse']) ?? 'skip') === 'skip',
    isUpsert: options.flag('upsert') ?? false,
    pipeline: options.text('pipeline'),
    refresh: options.choice('refresh', ['true', 'false', 'wait_for']) ?? 'false',
    bodyBytesMax: options.whole('bodyBytesMax', { min: 1_000, max: 100_000_000 }) ?? bodyBytesMaxDefault,
  }
  options.end()
  if (write.version !== undefined && operation !== 'index' && operation !== 'delete')
    throw new TypeError(`A version goes with the operations index and delete, not ${operation}`)
  if (write.document !== undefined && operation === 'delete')
    throw new TypeError('A document that is deleted has no columns')
  return new OpenSearchAction(server, write)
}

interface Write {
  readonly operation: Operation
  readonly document: Mapping | undefined
  readonly id: Mapping | undefined
  readonly version: Mapping | undefined
  readonly routing: Mapping | undefined
  readonly isSkippedWhereThere: boolean
  readonly isUpsert: boolean
  readonly pipeline: string | undefined
  readonly refresh: string
  readonly bodyBytesMax: number
}

class OpenSearchAction implements Action<BulkOperation> {
  readonly name: string
  readonly isLocal: boolean
  /** Each operation is by `_id`: done again it does the same, or finds nothing to do. */
  readonly isIdempotent: boolean
  readonly batchMax = 1_000
  /** Documents of a request are done each for itself. */
  readonly stopsAtFailure = false
  readonly #server: Server
  readonly #write: Write
  readonly #path: string

  constructor(server: Server, write: Write) {
    const { operation, isSkippedWhereThere, refresh, pipeline } = write
    this.name = server.name
    this.isLocal = server.isLocal
    this.isIdempotent = operation !== 'create' || isSkippedWhereThere
    this.#server = server
    this.#write = write
    const query = new URLSearchParams({ filter_path: filterPath.join(','), ...(pipeline && { pipeline }) })
    if (refresh !== 'false') query.set('refresh', refresh)
    this.#path = `${server.indexPath}/_bulk?${query}`
  }

  prepare(event: ReplayEvent): BulkOperation {
    const { operation, isUpsert, bodyBytesMax } = this.#write
    const meta = JSON.stringify({ [operation]: this.#metaOf(event) })
    const lines = `${this.#withVersion(meta, event)}\n${this.#documentLine(event, isUpsert)}`
    const bytes = Buffer.byteLength(lines)
    if (bytes > bodyBytesMax) throw refused(`It takes ${bytes} bytes of the ${bodyBytesMax} of a request`)
    return { lines }
  }

  describe({ lines }: BulkOperation): PlannedWrite {
    return {
      kind: 'request',
      method: 'POST',
      url: this.#server.urlOf(this.#path),
      headers: { 'content-type': 'application/x-ndjson' },
      body: lines,
    }
  }

  async open(): Promise<void> {
    const server = this.#server
    const path = server.indexPath
    const answer = await server.send({ method: 'HEAD', path }).catch((cause: unknown) => {
      const { code, message } = networkError(cause)
      throw new ReplayError('REPLAY_ACTION_UNAVAILABLE', `${server.name}: ${message} (${code})`, { cause })
    })
    // An index that is missing may be made by its first document; one that may be written may be none that is seen.
    if (answer.status === 403 || answer.status === 404) return
    requireOk(server, answer, answer.status === 401 ? 'REPLAY_ACTION_INVALID' : 'REPLAY_ACTION_UNAVAILABLE')
  }

  async act(
    batch: readonly BulkOperation[],
    { signal }: { readonly signal: AbortSignal },
  ): Promise<readonly Outcome[]> {
    const { operation, version, isSkippedWhereThere, bodyBytesMax } = this.#write
    return await sendBulk(this.#server, batch, {
      path: this.#path,
      bodyBytesMax,
      signal,
      outcomeOf(status) {
        if (status < 300) return 'done'
        if (status === 404 && operation === 'delete') return 'skipped'
        if (status !== 409) return 'failed'
        // What is there is newer, or this event's own.
        if (version !== undefined) return 'skipped'
        if (operation === 'create') return isSkippedWhereThere ? 'skipped' : 'failed'
        // Somebody else has written it meanwhile.
        return 'conflict'
      },
    })
  }

  async close(): Promise<void> {}

  #metaOf(event: ReplayEvent): Readonly<Record<string, unknown>> {
    const { operation, id, routing } = this.#write
    const _id = id === undefined ? eventIdentity(event) : textFor(id, event)
    if (_id === '' || Buffer.byteLength(_id) > idBytesMax)
      throw refused(`Its _id is empty, or longer than ${idBytesMax} bytes`)
    return {
      _id,
      ...(routing && { routing: textFor(routing, event) }),
      ...(operation === 'update' && { retry_on_conflict: 3 }),
    }
  }

  /** With every digit of the number. */
  #withVersion(meta: string, event: ReplayEvent): string {
    const { version } = this.#write
    if (version === undefined) return meta
    const text = textFor(version, event)
    if (!/^\d{1,19}$/.test(text) || BigInt(text) >= 2n ** 63n)
      throw refused(`Its version is no whole number: ${text.slice(0, 40)}`)
    return `${meta.slice(0, -2)},"version":${BigInt(text)},"version_type":"external"}}`
  }

  #documentLine(event: ReplayEvent, isUpsert: boolean): string {
    const { operation, document } = this.#write
    if (operation === 'delete') return ''
    const text = document === undefined ? event.text : jsonOf(document, event)
    const { json } = event
    if (document === undefined && (typeof json !== 'object' || json === null || Array.isArray(json)))
      throw refused('It is no JSON object, as a document is')
    if (operation !== 'update') return `${oneLine(text)}\n`
    return `{"doc":${oneLine(text)}${isUpsert ? ',"doc_as_upsert":true' : ''}}\n`
  }
}

/** @throws ReplayError where there is none, or no text and no number. */
function textFor(field: Mapping, event: ReplayEvent): string {
  const [value] = field.valuesOf(event)
  if (value !== null && value !== undefined) {
    if (value.type !== 'json' && value.type !== 'bytes') return String(value.value)
  }
  throw refused(`Its ${field.names[0]} is ${value === null ? 'missing' : 'neither text nor number'}`)
}

function refused(message: string): ReplayError {
  return new ReplayError('REPLAY_EVENT_REFUSED', message)
}

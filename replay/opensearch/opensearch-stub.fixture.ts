/**
 * A server that speaks the part of OpenSearch's and Elasticsearch's REST interface that we use, over real HTTP. It
 * is strict: a request that theirs would not take is answered as they would, and kept in `violations`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export interface Fault {
  /** Of `METHOD /path`. */
  readonly on: RegExp
  /** Instead of the answer; `cut` closes the connection, `cut-after` does so when the request was done. */
  readonly answer:
    | 'cut'
    | 'cut-after'
    | {
        readonly status: number
        readonly body?: unknown
        readonly headers?: Readonly<Record<string, string>>
      }
}

interface Document {
  readonly text: string
  readonly version: number
}

export interface StubOptions {
  readonly flavor?: 'opensearch' | 'elasticsearch'
  /** The header that a request must have. */
  readonly authorization?: string
  readonly bodyBytesMax?: number
}

export class OpenSearchStub {
  readonly flavor: 'opensearch' | 'elasticsearch'
  readonly violations: string[] = []
  /** `METHOD /path`, without the query. */
  readonly requests: string[] = []
  readonly bodies: string[] = []
  readonly faults: Fault[] = []
  /** By `_id`: what an item is answered with, once each. */
  readonly itemFaults = new Map<
    string,
    { readonly status: number; readonly type: string; readonly reason: string }[]
  >()
  readonly indices = new Map<string, Map<string, Document>>()
  /** Points in time that were opened and not closed: what each sees. */
  readonly points = new Map<
    string,
    { readonly keepAlive: string; readonly documents: [string, string][]; readonly index: string }
  >()
  readonly #options: StubOptions
  /** Versions of documents that are no longer there. */
  readonly #deleted = new Map<string, number>()
  #count = 0
  port = 0

  private constructor(options: StubOptions) {
    this.flavor = options.flavor ?? 'opensearch'
    this.#options = options
  }

  static async start(t: TestContext, options: StubOptions = {}): Promise<OpenSearchStub> {
    const stub = new OpenSearchStub(options)
    const server = createServer((request, response) => void stub.#answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    stub.port = (server.address() as AddressInfo).port
    t.after(() => {
      server.closeAllConnections()
      server.close()
    })
    return stub
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  documents(index: string): Record<string, unknown> {
    return Object.fromEntries(
      [...(this.indices.get(index) ?? [])].map(([id, { text }]) => [id, JSON.parse(text)]),
    )
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    const url = new URL(request.url!, this.url)
    const line = `${request.method} ${url.pathname}`
    this.requests.push(line)
    this.bodies.push(body)
    const fault = this.faults.find(({ on }) => on.test(line))
    if (fault !== undefined) this.faults.splice(this.faults.indexOf(fault), 1)
    if (fault?.answer === 'cut') {
      request.socket.destroy()
      return
    }
    const answer =
      fault !== undefined && fault.answer !== 'cut-after'
        ? fault.answer
        : this.#handle(request, { url, line, body })
    if (fault?.answer === 'cut-after') {
      request.socket.destroy()
      return
    }
    const { status, body: told, headers = {} } = answer as Exclude<Fault['answer'], string>
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(
      request.method === 'HEAD' ? undefined : typeof told === 'string' ? told : JSON.stringify(told ?? {}),
    )
  }

  #handle(
    request: IncomingMessage,
    { url, line, body }: { url: URL; line: string; body: string },
  ): { status: number; body?: unknown } {
    const { authorization, bodyBytesMax = 10_000_000 } = this.#options
    if (authorization !== undefined && request.headers.authorization !== authorization)
      return this.#error(401, 'security_exception', 'missing authentication credentials')
    if (Buffer.byteLength(body) > bodyBytesMax) return { status: 413 }
    const type = request.headers['content-type']
    const expected = url.pathname.endsWith('/_bulk') ? 'application/x-ndjson' : 'application/json'
    if (body !== '' && type !== expected) {
      this.violations.push(`${line}: content type ${type}`)
      return this.#error(406, 'media_type_header_exception', `content type ${type}`)
    }
    const [, index] = /^\/([^/_][^/]*)(?:\/|$)/.exec(url.pathname) ?? []
    if (index !== undefined && request.method === 'HEAD')
      return { status: this.indices.has(index) ? 200 : 404 }
    if (index !== undefined && line === `POST /${index}/_bulk`) return this.#bulk(index, body, url)
    if (index !== undefined && !this.indices.has(index))
      return this.#error(404, 'index_not_found_exception', `no such index [${index}]`)
    const { create, close } = this.#points()
    if (index !== undefined && line === `POST /${index}/_count`) {
      if (!this.#hasOnly(JSON.parse(body), ['query'], line))
        return this.#error(400, 'parsing_exception', 'unknown key')
      return { status: 200, body: { count: this.indices.get(index)!.size } }
    }
    if (index !== undefined && line === `POST /${index}${create}`) return this.#openPoint(index, url)
    if (line === `DELETE ${close}`) return this.#closePoint(body)
    if (line === 'POST /_search') return this.#search(body, url)
    this.violations.push(`${line}: no such request`)
    return this.#error(400, 'illegal_argument_exception', `no handler for ${line}`)
  }

  #points(): { create: string; close: string } {
    return this.flavor === 'opensearch'
      ? { create: '/_search/point_in_time', close: '/_search/point_in_time' }
      : { create: '/_pit', close: '/_pit' }
  }

  #bulk(index: string, body: string, url: URL): { status: number; body?: unknown } {
    if (!body.endsWith('\n')) {
      this.violations.push('the body of _bulk does not end with a line break')
      return this.#error(
        400,
        'illegal_argument_exception',
        'The bulk request must be terminated by a newline [\\n]',
      )
    }
    const filter = url.searchParams.get('filter_path')
    if (filter === null || !filter.includes('items.*.status')) this.violations.push('no filter_path')
    const documents = this.indices.get(index) ?? new Map<string, Document>()
    this.indices.set(index, documents)
    const lines = body.slice(0, -1).split('\n')
    const items: unknown[] = []
    for (let at = 0; at < lines.length; at++) {
      const [[operation, meta]] = Object.entries(JSON.parse(lines[at]!)) as [
        [string, { _id: string; version?: number }],
      ]
      if (!this.#hasOnly(meta, ['_id', 'routing', 'version', 'version_type', 'retry_on_conflict'], operation))
        return this.#error(400, 'illegal_argument_exception', 'unknown parameter')
      const source = operation === 'delete' ? '' : lines[++at]
      if (source === undefined) {
        this.violations.push(`${operation} without a document`)
        return this.#error(400, 'illegal_argument_exception', 'a document is missing')
      }
      items.push({ [operation]: this.#item(documents, { operation, source, ...meta }) })
    }
    return {
      status: 200,
      body: { errors: items.some((item) => JSON.stringify(item).includes('"error"')), items },
    }
  }

  #item(
    documents: Map<string, Document>,
    {
      operation,
      _id: id,
      source,
      version,
    }: { operation: string; _id: string; source: string; version?: number },
  ): unknown {
    const failed = (status: number, type: string, reason: string) => ({ status, error: { type, reason } })
    const injected = this.itemFaults.get(id)?.shift()
    if (injected !== undefined) return failed(injected.status, injected.type, injected.reason)
    const before = documents.get(id)
    const conflict = failed(409, 'version_conflict_engine_exception', `[${id}]: version conflict`)
    const last = before?.version ?? this.#deleted.get(id)
    if (version !== undefined && last !== undefined && version <= last) return conflict
    const next = version ?? (before?.version ?? 0) + 1
    if (operation === 'delete') {
      // A version is kept for a minute, also of what was not there.
      if (version !== undefined) this.#deleted.set(id, version)
      return { status: documents.delete(id) ? 200 : 404 }
    }
    if (operation === 'create' && before !== undefined) return conflict
    let text = source
    if (operation === 'update') {
      const update = JSON.parse(source) as { doc: object; doc_as_upsert?: boolean }
      if (!this.#hasOnly(update, ['doc', 'doc_as_upsert'], operation))
        return failed(400, 'x_content_parse_exception', 'unknown field')
      if (before === undefined && update.doc_as_upsert !== true)
        return failed(404, 'document_missing_exception', `[${id}]: document missing`)
      text = JSON.stringify({ ...(before && JSON.parse(before.text)), ...update.doc })
    }
    // `n` is a long, of the first document on.
    if (['string', 'object'].includes(typeof (JSON.parse(text) as { n?: unknown }).n))
      return failed(
        400,
        'mapper_parsing_exception',
        `failed to parse field [n] of type [long] in document with id '${id}'`,
      )
    documents.set(id, { text, version: next })
    return { status: before === undefined ? 201 : 200 }
  }

  #openPoint(index: string, url: URL): { status: number; body?: unknown } {
    const keepAlive = url.searchParams.get('keep_alive')
    if (keepAlive === null) {
      this.violations.push('a point in time without keep_alive')
      return this.#error(400, 'action_request_validation_exception', 'keep_alive is missing')
    }
    this.#count += 1
    const id = `point-${this.#count}`
    const documents = [...this.indices.get(index)!].map(([key, { text }]): [string, string] => [key, text])
    this.points.set(id, { keepAlive, documents, index })
    return { status: 200, body: this.flavor === 'opensearch' ? { pit_id: id } : { id } }
  }

  #closePoint(body: string): { status: number; body?: unknown } {
    const parsed = JSON.parse(body) as { pit_id?: string[]; id?: string }
    const ids = this.flavor === 'opensearch' ? parsed.pit_id! : [parsed.id!]
    for (const id of ids)
      if (!this.points.delete(id)) this.violations.push(`${id} is closed, and was not open`)
    return { status: 200, body: { succeeded: true, num_freed: 1 } }
  }

  #search(body: string, url: URL): { status: number; body?: unknown } {
    const search = JSON.parse(body) as {
      size: number
      sort: (string | Record<string, 'asc' | 'desc'>)[]
      pit: { id: string; keep_alive: string }
      search_after?: unknown[]
      track_total_hits: boolean
    }
    this.#hasOnly(search, ['size', 'sort', 'pit', 'search_after', 'track_total_hits', 'query'], 'search')
    if (url.searchParams.get('allow_partial_search_results') !== 'false')
      this.violations.push('partial results allowed')
    const { size, sort, pit, search_after: after } = search
    const point = this.points.get(pit.id)
    if (point === undefined)
      return this.#error(404, 'search_phase_execution_exception', 'No search context found for id')
    if (pit.keep_alive !== point.keepAlive) this.violations.push(`keep alive ${pit.keep_alive}`)
    const fields = sort.map((one) =>
      typeof one === 'string' ? ([one, 'asc'] as const) : Object.entries(one)[0]!,
    )
    const extra = this.flavor === 'elasticsearch' ? 1 : 0
    if (after !== undefined && after.length !== fields.length + extra)
      return this.#error(400, 'illegal_argument_exception', 'search_after has another number of values')
    const hits = point.documents.map(([id, text], at) => {
      const json = JSON.parse(text) as Record<string, unknown>
      const values = [...fields.map(([field]) => json[field]), ...(extra ? [at] : [])]
      return { _index: point.index, _id: id, text, sort: values as (string | number)[] }
    })
    const order = (a: readonly unknown[], b: readonly unknown[]) => {
      for (const [at, value] of a.entries()) {
        if (value === b[at]) continue
        const sign = fields[at]?.[1] === 'desc' ? -1 : 1
        return (value as number) < (b[at] as number) ? -sign : sign
      }
      return 0
    }
    const found = hits
      .sort((a, b) => order(a.sort, b.sort))
      .filter((hit) => after === undefined || order(hit.sort, after) > 0)
      .slice(0, size)
    // Another id each time, as both may give.
    this.#count += 1
    const next = `point-${this.#count}`
    this.points.delete(pit.id)
    this.points.set(next, point)
    const list = found.map(
      ({ _index, _id, text, sort: values }) =>
        `{"_index":${JSON.stringify(_index)},"_id":${JSON.stringify(_id)},"_score":null,"_source":${text},"sort":${JSON.stringify(values)}}`,
    )
    const total = search.track_total_hits ? `"total":{"value":${hits.length},"relation":"eq"},` : ''
    return {
      status: 200,
      body: `{"pit_id":"${next}","took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"failed":0},"hits":{${total}"hits":[${list.join(',')}]}}`,
    }
  }

  #hasOnly(value: object, names: readonly string[], where: string): boolean {
    const odd = Object.keys(value).filter((name) => !names.includes(name))
    for (const name of odd) this.violations.push(`${where}: ${name}`)
    return odd.length === 0
  }

  #error(status: number, type: string, reason: string): { status: number; body: unknown } {
    return { status, body: { error: { type, reason, root_cause: [{ type, reason }] }, status } }
  }
}

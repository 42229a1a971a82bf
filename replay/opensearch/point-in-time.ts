/** A point in time: the state of an index that a search sees, page by page, whatever is written meanwhile. */
import { ReplayError } from '../errors.ts'
import { requireOk, type Server } from './server.ts'
import { tryAgain } from './try-again.ts'

/** As OpenSearch (2.4 or later) and Elasticsearch (7.10 or later) have it. */
const forms = {
  opensearch: {
    open: (index: string) => `${index}/_search/point_in_time`,
    idOf: ({ pit_id: id }: Readonly<Record<string, unknown>>) => id,
    close: { path: '_search/point_in_time', bodyOf: (id: string) => ({ pit_id: [id] }) },
  },
  elasticsearch: {
    open: (index: string) => `${index}/_pit`,
    idOf: ({ id }: Readonly<Record<string, unknown>>) => id,
    close: { path: '_pit', bodyOf: (id: string) => ({ id }) },
  },
} as const

/** @throws ReplayError `REPLAY_SOURCE_UNAVAILABLE`. */
export async function openPointInTime(
  server: Server,
  { keepAlive, signal }: { readonly keepAlive: string; readonly signal: AbortSignal },
): Promise<string> {
  const form = forms[server.flavor]
  const path = `${form.open(server.indexPath)}?keep_alive=${keepAlive}`
  const answer = await tryAgain(server, { method: 'POST', path, signal })
  requireOk(server, answer, 'REPLAY_SOURCE_UNAVAILABLE')
  const id = form.idOf(JSON.parse(answer.text))
  if (typeof id === 'string') return id
  throw new ReplayError(
    'REPLAY_SOURCE_UNAVAILABLE',
    `${server.name} gives no point in time: is it ${server.flavor === 'opensearch' ? 'elasticsearch' : 'opensearch'}+…?`,
  )
}

/** The server forgets it by itself in a while: where it cannot be told, that will do. */
export async function closePointInTime(server: Server, id: string): Promise<void> {
  const { path, bodyOf } = forms[server.flavor].close
  await server.send({ method: 'DELETE', path, body: JSON.stringify(bodyOf(id)) }).catch(() => {})
}

/**
 * Where the tests of OpenSearch are: a stub, and, where `BACKSTORY_TEST_OPENSEARCH` has its address
 * (`opensearch+http://localhost:9200`, user and password in it), a real server.
 */
import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import { OpenSearchStub } from './opensearch-stub.fixture.ts'

export interface Target {
  /** Of an index that is not there. */
  readonly address: string
  /** By `_id`, as a search sees them now. */
  documents(): Promise<Record<string, unknown>>
  /** Of the stub alone. */
  readonly stub: OpenSearchStub | undefined
}

type Place = readonly [name: string, open: (t: TestContext) => Promise<Target>]

const real = process.env.BACKSTORY_TEST_OPENSEARCH

export const places: readonly Place[] = [
  ...(['opensearch', 'elasticsearch'] as const).map(
    (flavor): Place => [
      `a stub of ${flavor}`,
      async (t) => {
        const stub = await OpenSearchStub.start(t, { flavor })
        const documents = async () => stub.documents('orders')
        return { address: `${flavor}+${stub.url}/orders`, documents, stub }
      },
    ],
  ),
  ...(real === undefined ? [] : [['a real server', async (t: TestContext) => realTarget(t, real)] as const]),
]

function realTarget(t: TestContext, server: string): Target {
  const address = `${server.replace(/\/$/, '')}/backstory-test-${randomUUID()}`
  const url = new URL(address.slice(address.indexOf('+') + 1))
  const { username, password } = url
  url.username = ''
  url.password = ''
  const headers = {
    'content-type': 'application/json',
    ...(username !== '' && {
      authorization: `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`,
    }),
  }
  t.after(async () => {
    await fetch(url, { method: 'DELETE', headers })
  })
  return {
    address,
    async documents() {
      await fetch(`${url}/_refresh`, { method: 'POST', headers })
      const answer = await fetch(`${url}/_search?size=1000`, { headers })
      if (answer.status === 404) return {}
      const { hits } = (await answer.json()) as { hits: { hits: { _id: string; _source: unknown }[] } }
      return Object.fromEntries(hits.hits.map(({ _id, _source }) => [_id, _source]))
    },
    stub: undefined,
  }
}

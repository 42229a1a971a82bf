/**
 * DynamoDB for tests: dynalite, with a desk before it at which answers can be made up; or the server whose address
 * the environment gives, without one.
 */
import { randomBytes } from 'node:crypto'
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type AttributeDefinition,
  BatchWriteItemCommand,
  CreateTableCommand,
  type CreateTableCommandInput,
  DeleteTableCommand,
  DynamoDBClient,
  paginateScan,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb'
// @ts-expect-error: it has no types.
import createDynalite from 'dynalite'
import type { Item } from './attribute-value.ts'

export interface DynamoRequest {
  /** `PutItem`. */
  readonly operation: string
  readonly json: Readonly<Record<string, unknown>>
}

export interface DynamoAnswer {
  readonly status: number
  readonly json: unknown
}

/** @returns undefined for what is to go on to dynalite; `cut` cuts the connection. */
export type Desk = (
  request: DynamoRequest,
  forward: (json: unknown) => Promise<DynamoAnswer>,
) => Promise<DynamoAnswer | 'cut' | undefined> | undefined

export interface TestDynamo {
  readonly endpoint: string
  readonly client: DynamoDBClient
  /** Whether it is the one that the environment names: then its requests are not seen. */
  readonly isReal: boolean
  /** That came by the desk. */
  readonly requests: DynamoRequest[]
  /** Makes a table, gone after the test; its name. */
  table(options?: TableOptions): Promise<string>
  fill(table: string, items: readonly Item[]): Promise<void>
  /** All items, in the order of a scan. */
  items(table: string): Promise<Item[]>
}

export interface TableOptions {
  readonly partition?: readonly [name: string, type: 'S' | 'N' | 'B']
  readonly sort?: readonly [name: string, type: 'S' | 'N' | 'B']
  /** A global index, by its key. */
  readonly global?: { readonly name: string; readonly partition: string; readonly sort?: string }
  /** Types of what only the index has in its key. */
  readonly types?: Readonly<Record<string, 'S' | 'N' | 'B'>>
}

export const region: string = process.env.AWS_REGION ?? 'eu-central-1'

/** Any will do for dynalite; those of the environment are for the real one. */
function useAnyCredentials(): void {
  process.env.AWS_ACCESS_KEY_ID ??= 'AKIDEXAMPLE'
  process.env.AWS_SECRET_ACCESS_KEY ??= 'not-so-secret'
  process.env.AWS_EC2_METADATA_DISABLED = 'true'
}

/** @param t - A test, or a whole file (`{ after }` of node:test). */
export async function startDynamo(
  t: { after(run: () => Promise<void>): void },
  desk?: Desk,
): Promise<TestDynamo> {
  useAnyCredentials()
  const requests: DynamoRequest[] = []
  const tables: string[] = []
  const servers: Server[] = []
  let endpoint = process.env.BACKSTORY_TEST_DYNAMODB
  const isReal = endpoint !== undefined && desk === undefined
  if (!isReal) {
    const dynalite: Server = createDynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 })
    servers.push(dynalite, createDesk(await listen(dynalite), { desk, requests }))
    endpoint = await listen(servers[1]!)
  }
  const client = new DynamoDBClient({ endpoint: endpoint!, region })
  t.after(async () => {
    if (isReal) for (const TableName of tables) await client.send(new DeleteTableCommand({ TableName }))
    client.destroy()
    for (const server of servers) {
      server.closeAllConnections()
      server.close()
    }
  })
  return {
    endpoint: endpoint!,
    client,
    isReal,
    requests,
    async table(options = {}) {
      const TableName = `test-${randomBytes(4).toString('hex')}`
      await client.send(new CreateTableCommand({ TableName, ...tableInput(options) }))
      tables.push(TableName)
      await waitUntilTableExists({ client, minDelay: 0.05, maxDelay: 1, maxWaitTime: 60 }, { TableName })
      return TableName
    },
    async fill(table, items) {
      for (let at = 0; at < items.length; at += 25) {
        const puts = items.slice(at, at + 25).map((Item) => ({ PutRequest: { Item } }))
        await client.send(new BatchWriteItemCommand({ RequestItems: { [table]: puts } }))
      }
    },
    async items(table) {
      const all: Item[] = []
      for await (const { Items = [] } of paginateScan({ client }, { TableName: table, ConsistentRead: true }))
        all.push(...Items)
      return all
    },
  }
}

function tableInput({
  partition = ['id', 'S'],
  sort,
  global,
  types = {},
}: TableOptions): Omit<CreateTableCommandInput, 'TableName'> {
  const key = (hash: string, range: string | undefined) => [
    { AttributeName: hash, KeyType: 'HASH' as const },
    ...(range === undefined ? [] : [{ AttributeName: range, KeyType: 'RANGE' as const }]),
  ]
  const all = { [partition[0]]: partition[1], ...(sort && { [sort[0]]: sort[1] }), ...types }
  return {
    BillingMode: 'PAY_PER_REQUEST',
    KeySchema: key(partition[0], sort?.[0]),
    AttributeDefinitions: Object.entries(all).map(
      ([AttributeName, AttributeType]): AttributeDefinition => ({ AttributeName, AttributeType }),
    ),
    ...(global && {
      GlobalSecondaryIndexes: [
        {
          IndexName: global.name,
          KeySchema: key(global.partition, global.sort),
          Projection: { ProjectionType: 'ALL' },
        },
      ],
    }),
  }
}

function createDesk(
  behind: string,
  { desk, requests }: { desk: Desk | undefined; requests: DynamoRequest[] },
): Server {
  return createServer((incoming, response) => {
    const answer = async () => {
      const body = await bodyOf(incoming)
      const operation = String(incoming.headers['x-amz-target']).replace('DynamoDB_20120810.', '')
      const request = { operation, json: JSON.parse(body) }
      requests.push(request)
      const forward = async (json: unknown) => await ask(behind, incoming, JSON.stringify(json))
      const said = (await desk?.(request, forward)) ?? (await forward(request.json))
      if (said === 'cut') {
        incoming.socket.destroy()
        return
      }
      response.writeHead(said.status, { 'content-type': 'application/x-amz-json-1.0' })
      response.end(JSON.stringify(said.json))
    }
    answer().catch((error) => response.destroy(error as Error))
  })
}

/** As it came, but for its body. Dynalite does not look whether the signature is right. */
async function ask(behind: string, { headers }: IncomingMessage, body: string): Promise<DynamoAnswer> {
  const length = Buffer.byteLength(body)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    httpRequest(behind, { method: 'POST', headers: { ...headers, 'content-length': length } }, resolve)
      .on('error', reject)
      .end(body)
  })
  return { status: response.statusCode!, json: JSON.parse(await bodyOf(response)) }
}

async function bodyOf(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/**
 * A service of AWS as a stub: an HTTP server that takes only requests that Amazon would take, by their signature,
 * which it reckons anew from the documentation of Signature Version 4.
 */
import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { TestContext } from 'node:test'

export interface StubRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  readonly json: unknown
}

export type StubAnswer =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly json?: unknown }
  /** The connection is cut, before anything is said. */
  | 'cut'
  /** Nothing is ever said. */
  | 'silence'

export interface AwsStub {
  readonly endpoint: string
  readonly requests: StubRequest[]
  /** Connections that were made to it. */
  readonly connections: () => number
  readonly stop: () => Promise<void>
}

const credentials = {
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  AWS_SESSION_TOKEN: 'a-session-token',
}
export const region = 'eu-central-1'

/** Secrets that nothing may show. */
export const secrets: readonly string[] = [credentials.AWS_SECRET_ACCESS_KEY, credentials.AWS_SESSION_TOKEN]

/** The credentials of the stub, where the SDK looks for them first. */
export function useStubCredentials(): void {
  Object.assign(process.env, credentials, { AWS_EC2_METADATA_DISABLED: 'true' })
}

/** @param answer - What is said to a request that is in order; it may throw, which fails the test. */
export async function startAwsStub(
  t: TestContext,
  { service, answer }: { service: string; answer: (request: StubRequest) => StubAnswer },
): Promise<AwsStub> {
  const requests: StubRequest[] = []
  const faults: unknown[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((incoming, response) => {
    void handle(incoming, response).catch((error) => {
      faults.push(error)
      response.writeHead(400).end()
    })
  })
  const handle = async (incoming: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const { method, url, headers } = incoming
    const json: unknown = body.length === 0 ? undefined : JSON.parse(body.toString())
    const request = { method: method!, path: url!, headers, body, json }
    assertSigned(request, service)
    requests.push(request)
    const said = answer(request)
    if (said === 'cut') incoming.socket.destroy()
    else if (said !== 'silence') {
      response.writeHead(said.status, { 'content-type': 'application/x-amz-json-1.1', ...said.headers })
      response.end(said.json === undefined ? undefined : JSON.stringify(said.json))
    }
  }
  server.on('connection', (socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
  t.after(async () => {
    await stop()
    assert.deepEqual(faults, [])
  })
  const { port } = server.address() as AddressInfo
  return { endpoint: `http://127.0.0.1:${port}`, requests, connections: () => connections, stop }
}

/** As services say what went wrong. */
export function errorAnswer(
  status: number,
  code: string,
  { headers = {}, message = `told by ${code}` }: { headers?: Record<string, string>; message?: string } = {},
): StubAnswer {
  return { status, headers: { 'x-amzn-errortype': code, ...headers }, json: { __type: code, message } }
}

/** Signature Version 4, reckoned anew. */
function assertSigned({ method, path, headers, body }: StubRequest, service: string): void {
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    )
  assert.ok(parts, `authorization: ${headers.authorization}`)
  const [, keyId, day, inRegion, ofService, signedHeaders, signature] = parts
  assert.deepEqual([keyId, inRegion, ofService], [credentials.AWS_ACCESS_KEY_ID, region, service])
  const time = headers['x-amz-date'] as string
  assert.equal(time.slice(0, 8), day)
  const at = time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')
  assert.ok(Math.abs(Date.parse(at) - Date.now()) < 60_000, time)
  assert.equal(headers['x-amz-security-token'], credentials.AWS_SESSION_TOKEN)
  const names = signedHeaders!.split(';')
  for (const name of ['host', 'x-amz-date', 'x-amz-security-token', 'content-type'])
    if (headers[name] !== undefined) assert.ok(names.includes(name), `${name} is not signed`)
  const [pathname, query = ''] = path.split('?')
  const canonical = [
    method,
    pathname!.split('/').map(encodeURIComponent).join('/'),
    query.split('&').sort().join('&'),
    ...names.map((name) => `${name}:${String(headers[name]).trim().replace(/\s+/g, ' ')}`),
    '',
    signedHeaders,
    createHash('sha256').update(body).digest('hex'),
  ].join('\n')
  const scope = `${day}/${inRegion}/${ofService}/aws4_request`
  const digest = createHash('sha256').update(canonical).digest('hex')
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const dayKey = hmac(`AWS4${credentials.AWS_SECRET_ACCESS_KEY}`, day!)
  const key = [inRegion!, ofService!, 'aws4_request'].reduce(hmac, dayKey)
  const expected = hmac(key, ['AWS4-HMAC-SHA256', time, scope, digest].join('\n')).toString('hex')
  assert.equal(signature, expected, 'the signature is not that of the request')
}

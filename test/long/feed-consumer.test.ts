/** The feed as it is run: a process of its own, killed and started again under its readers. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { openHistory, openPublisher, serveFeed, startConsumer, startRecorder } from '../../index.ts'
import { type Place, placeFor, type Running } from '../fixtures/backstory.ts'
import { testBroker } from '../fixtures/broker.ts'
import { compare, effectsConsumer, flawless, readEffects } from '../fixtures/effects.ts'
import { newExchange, temporaryFolder } from '../fixtures/exchange.ts'
import { historyWith } from '../fixtures/history-with.ts'
import { withoutTools } from '../fixtures/tools.ts'
import { until } from '../fixtures/until.ts'

const run = promisify(execFile)
const token = 'shipping-0123456789-0123456789-0123'

test('a consumer joins and goes live through a feed that is killed and comes back, in the replay and live', async (t) => {
  const { url, exchange, history, store } = await newExchange(t, { consumers: ['shipping'] })
  const ids = await historyWith(history, { exchange, events: 3_000 })
  await using recorder = startRecorder({ broker: url, exchange, history })
  await using sales = openPublisher({ broker: url, exchange, source: '/sales' })
  await recorder.started()
  const publish = async (count: number) => {
    const publishes = Array.from({ length: count }, () => {
      ids.push(`${ids.length + 1}`)
      return sales.publish({ type: 'order.placed', id: ids.at(-1)!, data: {} })
    })
    await Promise.all(publishes)
  }
  const place = placeFor(t, url)
  const feed = await startFeed(place, { history })

  await using reader = openHistory({ history: `${feed.url}/exchanges/${exchange}`, token })
  const definition = effectsConsumer('shipping', exchange, () => new Promise<void>(setImmediate))
  await using shipping = await startConsumer(definition, {
    broker: url,
    history: reader,
    store: store('shipping'),
    settleMs: 0,
    replayBatch: 50,
  })
  await until('it replays', () => shipping.status.cursor > 200)
  await feed.kill()
  await until('it waits for the history', () => shipping.status.waitingFor === 'history')
  assert.ok(shipping.status.cursor < 3_000 && shipping.status.phase === 'replaying')
  await publish(200)
  await feed.again()
  await shipping.caughtUp()
  assert.equal(shipping.status.phase, 'live')

  await feed.kill()
  await until('it waits for the history, live', () => shipping.status.waitingFor === 'history')
  await publish(200)
  await feed.again()
  await publish(200)
  await until('all is applied', () => shipping.status.cursor === 3_600)
  const certificate = await shipping.certificate()
  assert.equal(certificate.level, true)
  await shipping.close()
  assert.deepEqual(compare(readEffects(store('shipping')), new Map([['/sales', ids]])), flawless)
})

test('a feed by TLS is read by who trusts its authority, and by nobody else', async (t) => {
  const folder = await temporaryFolder(t)
  const { cert, key } = await selfSigned(folder)
  const history = join(folder, 'orders.db')
  await historyWith(history, { exchange: 'orders', events: 700 })
  writeFileSync(join(folder, 'tokens'), `shipping:${token}\n`, { mode: 0o600 })
  await using feed = await serveFeed({
    histories: [history],
    port: 0,
    tokenFile: join(folder, 'tokens'),
    tls: { cert: readFileSync(cert), key: readFileSync(key) },
  })
  assert.match(feed.url, /^https:/)
  await using trusting = openHistory({ history: feed.url, token, ca: readFileSync(cert) })
  assert.equal((await trusting.read({ after: 0, limit: 1_000 })).length, 700)
  await using doubting = openHistory({ history: feed.url, token })
  await assert.rejects(doubting.bounds(), { code: 'HISTORY_DENIED', message: /certificate/ })
  await using plain = openHistory({ history: feed.url.replace('https', 'http'), token })
  await assert.rejects(plain.bounds(), { code: 'HISTORY_UNAVAILABLE' })
})

test('every command that reads a history reads one through a feed, with the token of the environment', async (t) => {
  const url = await testBroker()
  const place = placeFor(t, url)
  const history = join(place.folder, 'orders.db')
  await historyWith(history, { exchange: 'orders', events: 30 })
  const feed = await startFeed(place, { history })
  const of = (options: string) => `--history ${feed.url}/exchanges/orders ${options}`
  const secret = `export BACKSTORY_HISTORY_TOKEN=${token}`
  const lines = await place.shell(`${secret}; backstory history list ${of('--last 2 --json')}`)
  assert.deepEqual([lines.code, lines.stdout.trim().split('\n').length], [0, 2], lines.stderr)
  writeFileSync(join(place.folder, 'secret'), `${token}\n`)
  const audit = await place.shell(
    `export BACKSTORY_HISTORY_TOKEN_FILE=secret; backstory audit orders ${of('--json')}`,
  )
  assert.deepEqual([audit.code, (JSON.parse(audit.stdout) as { held: number }).held], [0, 30], audit.stderr)
  const denied = await place.shell(`backstory history head ${of('')}`)
  assert.equal(denied.code, 4)
  assert.match(denied.stderr, /^HISTORY_DENIED: /)
  for (const { stdout, stderr } of [lines, audit, denied]) assert.ok(!`${stdout}${stderr}`.includes(token))
  assert.equal(await feed.stop(), 0)
})

test('the curl examples of docs/feed.md do what they say', async (t) => {
  const skip = await withoutTools(['curl', 'openssl'])
  if (skip !== false) return t.skip(skip)
  const folder = await temporaryFolder(t)
  const { cert, key } = await selfSigned(folder)
  const history = join(folder, 'orders.db')
  await historyWith(history, { exchange: 'orders', events: 1_200 })
  writeFileSync(join(folder, 'tokens'), `shipping:${token}\n`, { mode: 0o600 })
  await using open = await serveFeed({ histories: [history], port: 0 })
  await using closed = await serveFeed({
    histories: [history],
    port: 0,
    tokenFile: join(folder, 'tokens'),
    tls: { cert: readFileSync(cert), key: readFileSync(key) },
  })
  const text = readFileSync(join(import.meta.dirname, '../../docs/feed.md'), 'utf8')
  const examples = text.match(/^curl .*$/gm)!
  assert.ok(examples.length >= 6)
  for (const example of examples) {
    const isFollowed = example.includes('follow=true')
    const line = example
      .replace('http://127.0.0.1:9480', open.url)
      .replace('https://history.example:9480', closed.url)
      .replace(
        'curl',
        `curl --silent --show-error --fail --cacert ${cert} ${isFollowed ? '--max-time 0.7' : ''}`,
      )
    const answer = await run('bash', ['-c', line], { env: { ...process.env, TOKEN: token } }).catch(
      // What follows goes on until it is ended.
      (error: { code: number; stdout: string }) => {
        if (error.code === 28 && isFollowed) return error
        throw error
      },
    )
    for (const value of answer.stdout.trim().split('\n')) JSON.parse(value)
    const expected = /limit=10/.test(example) ? 11 : /follow|compressed/.test(example) ? 100 : 1
    assert.ok(answer.stdout.split('\n').length > expected, example)
  }
})

interface RunningFeed {
  readonly url: string
  kill(): Promise<void>
  /** Starts it at the same address. */
  again(): Promise<void>
  /** @returns Its exit code. */
  stop(): Promise<number>
}

/** `backstory serve` with one token. */
async function startFeed(place: Place, { history }: { history: string }): Promise<RunningFeed> {
  writeFileSync(join(place.folder, 'tokens'), `shipping:${token}\n`, { mode: 0o600 })
  const start = async (port: string) => {
    const started = place.start(`serve --history ${history} --port ${port} --tokens tokens`)
    await started.says(/Serving http/)
    return started
  }
  let process: Running = await start('0')
  const [, url] = /Serving (http:\S+)\/exchanges/.exec(process.stderr)!
  return {
    url: url!,
    async kill() {
      process.signal('SIGKILL')
      await process.ended
    },
    async again() {
      process = await start(new URL(url!).port)
    },
    async stop() {
      process.signal('SIGTERM')
      return (await process.ended).code
    },
  }
}

async function selfSigned(folder: string): Promise<{ cert: string; key: string }> {
  const [cert, key] = [join(folder, 'feed.crt'), join(folder, 'feed.key')]
  const subject = ['-subj', '/CN=feed', '-addext', 'subjectAltName=IP:127.0.0.1']
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-days', '2']
  await run('openssl', ['req', '-x509', ...curve, ...subject, '-out', cert, '-keyout', key])
  return { cert, key }
}

/**
 * The feed under fifty readers at once, of a process of its own: half of them as fast as they can, half slow,
 * some of these a few bytes at a time, while events are recorded.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { attributesOf, toMessage } from '../../events/index.ts'
import { openHistory, openHistoryWriter } from '../../history/index.ts'
import { placeFor } from '../fixtures/backstory.ts'
import { historyWith } from '../fixtures/history-with.ts'
import { until } from '../fixtures/until.ts'

const readers = 50
const recordedBefore = 5_000
const recordedMeanwhile = 5_000
const last = recordedBefore + recordedMeanwhile
/** What it holds does not grow with how slow its readers are: it was 350 MB when each held its events too. */
const residentMbLimit = 250

test('fifty readers, slow and fast, each have every event once and in order while events are recorded', async (t) => {
  const place = placeFor(t, 'amqp://127.0.0.1:1')
  const path = join(place.folder, 'orders.db')
  await historyWith(path, { exchange: 'orders', events: recordedBefore })
  const feed = place.start(`serve --history ${path} --port 0`)
  await feed.says(/Serving http/)
  const [, url] = /Serving (http:\S+)\/exchanges/.exec(feed.stderr)!
  const { pid } = feed
  const handles = () => readdirSync(`/proc/${pid}/fd`).length
  await (await fetch(`${url!}/exchanges/orders`, { headers: { connection: 'close' } })).text()
  const handlesBefore = handles()

  const reading = Promise.all(
    Array.from({ length: readers }, (_, index) =>
      [readByRows, readFast, readInSpurts, readByBytes][index % 4]!(url!),
    ),
  )
  const writer = await openHistoryWriter({ history: path, exchange: 'orders' })
  for (let from = recordedBefore; from < last; from += 50) {
    await writer.append({
      events: Array.from({ length: 50 }, (_, index) => event(from + index + 1)),
      fences: [],
    })
    await sleep(10)
  }
  await writer.close()
  for (const positions of await reading) {
    assert.equal(positions.length, last)
    assert.ok(positions.every((position, index) => position === index + 1))
  }
  await until('every connection is closed', () => handles() <= handlesBefore + 2)
  const residentMb = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1_000
  t.diagnostic(`${Math.round(residentMb)} MB resident at most`)
  assert.ok(residentMb < residentMbLimit, `${residentMb} MB`)
  feed.signal('SIGTERM')
  assert.equal((await feed.ended).code, 0)
})

function event(number: number) {
  const input = { type: 'order.placed', id: `${number}`, subject: `EC-${number}`, data: { number } }
  const message = toMessage(input, { exchange: 'orders', source: '/sales' })
  return { ...attributesOf(message), message }
}

/** As a consumer does. */
async function readByRows(url: string): Promise<number[]> {
  await using reader = openHistory({ history: `${url}/exchanges/orders` })
  const positions: number[] = []
  while (positions.length < last) {
    const page = await reader.read({ after: positions.length })
    positions.push(...page.map(({ position }) => position))
    if (page.length === 0) await sleep(20)
  }
  return positions
}

const readFast = (url: string) => follow(url, { bytes: 65_536, pauseMs: 0, pauses: 0 })
const readInSpurts = (url: string) =>
  follow(url, { bytes: 65_536, pauseMs: 30, pauses: Number.POSITIVE_INFINITY })
/** For some seconds; then it wants the rest. */
const readByBytes = (url: string) => follow(url, { bytes: 100, pauseMs: 3, pauses: 1_000 })

/** Follows with a plain socket, which takes so many bytes at a time, with a pause after each. */
async function follow(
  url: string,
  { bytes, pauseMs, pauses }: { bytes: number; pauseMs: number; pauses: number },
): Promise<number[]> {
  const positions: number[] = []
  let rest = ''
  let taken = 0
  const { hostname, port } = new URL(url)
  const socket = connect({
    host: hostname,
    port: Number(port),
    onread: {
      buffer: Buffer.alloc(bytes),
      callback(length, buffer) {
        const lines = (rest + Buffer.from(buffer).toString('latin1', 0, length)).split('\n')
        rest = lines.pop()!
        for (const line of lines) {
          const [, position] = /^\{"specversion".*"position":(\d+),.*\}$/.exec(line) ?? []
          if (position !== undefined) positions.push(Number(position))
        }
        if (positions.at(-1) === last) socket.destroy()
        taken += 1
        if (taken > pauses) return true
        setTimeout(() => socket.resume(), pauseMs)
        return false
      },
    },
  })
  // HTTP/1.0: the lines are not in chunks.
  socket.write('GET /exchanges/orders/events?follow=true HTTP/1.0\r\n\r\n')
  await once(socket, 'close')
  return positions
}

/** `backstory record`: the recorder of an exchange. */
import type { Recorder, RecorderStatus } from '../../../history/index.ts'
import { bindingOptions, bindingsOf } from '../binding-options.ts'
import type { Cli } from '../cli.ts'
import { brokerOption, defineCommand, historyOption, jsonOption, waitBrokerOption } from '../command.ts'
import { exitCodes } from '../errors.ts'
import { healthOptions, openHealth } from '../health-options.ts'
import { openBroker } from '../open-broker.ts'
import { partitionOptions, recordedPlaces } from '../partition-options.ts'
import { count } from '../progress.ts'
import { shutdownOption } from '../shutdown-option.ts'

export const recordCommand = defineCommand({
  name: 'record',
  summary: 'Record every event of an exchange, until it is interrupted',
  positionals: {
    exchange: {
      kind: 'one',
      describe: 'A durable fanout exchange, made where missing, or any that is there',
    },
  },
  options: {
    broker: brokerOption,
    'wait-broker': waitBrokerOption,
    history: historyOption,
    ...bindingOptions,
    ...partitionOptions,
    standby: { type: 'flag', describe: 'Where another recorder writes the history: wait, and take over' },
    prefetch: {
      type: 'integer',
      min: 1,
      max: 65_535,
      default: 2_000,
      describe: 'Deliveries that are not acknowledged, at most',
    },
    batch: {
      type: 'integer',
      min: 1,
      max: 65_535,
      default: 1_000,
      describe: 'Events a transaction, at most',
    },
    every: {
      type: 'seconds',
      min: 0.1,
      max: 86_400,
      default: 10,
      describe: 'Seconds between two status lines',
    },
    ...healthOptions,
    'shutdown-timeout': shutdownOption,
    json: { ...jsonOption, describe: 'Status lines on standard output, as JSON' },
  },
  examples: [
    ['record orders', 'Record the exchange orders into ./backstory-history.db'],
    ['record orders --history orders.db --standby', 'Take over when the other recorder ends'],
    ['record orders --json --every 60', 'A status a minute, for a program'],
    ['record events --binding order.placed --binding order.paid', 'Two routing keys of a direct exchange'],
    ['record orders --partitions 4', 'Part it by routing key: four recorders and histories, here'],
    ['record orders --partition 2/4', 'One of the four, for others to run elsewhere'],
    ['record orders --health 9464', 'With /livez, /readyz and /metrics on that port'],
  ],
  async run({ exchange, broker, history, standby, prefetch, batch, every, json, ...rest }, cli) {
    const bindings = bindingsOf(rest)
    const { value: path } = await cli.writtenHistory(history)
    const places = await recordedPlaces(rest, { exchange, history: path })
    const signal = cli.stopSignal({ timeoutMs: rest['shutdown-timeout'] * 1_000 })
    await using health = await openHealth(cli, rest)
    const connection = await openBroker(cli, {
      broker,
      waitBroker: rest['wait-broker'],
      name: `backstory recorder of ${exchange}`,
    })
    try {
      const { startRecorder } = await import('../../../history/index.ts')
      const options = { broker: connection, bindings, standby, prefetch, batchMax: batch, logger: cli.logger }
      const recorders = places.map((place) => startRecorder({ ...options, ...place }))
      try {
        health.watch({ recorders })
        const told = recorders.map((recorder) => new Told(recorder, cli, { json }))
        await toldUntilStopped(told, { recorders, signal, everyMs: every * 1_000 })
        await closeAll(recorders)
        for (const recorder of recorders) await recorder.stopped
        for (const one of told) await one.last()
      } finally {
        await closeAll(recorders)
      }
    } finally {
      await connection.close()
    }
    return exitCodes.ok
  },
})

/** Tells the status at every interval. Rejects with what ended a recorder. */
async function toldUntilStopped(
  told: readonly Told[],
  { recorders, signal, everyMs }: { recorders: readonly Recorder[]; signal: AbortSignal; everyMs: number },
): Promise<void> {
  while (!signal.aborted) {
    const isDue = await waited(everyMs, { recorders, signal })
    if (isDue) for (const one of told) await one.now()
  }
}

/** @returns False where it was told to stop meanwhile. Rejects with what ended a recorder. */
async function waited(
  ms: number,
  { recorders, signal }: { recorders: readonly Recorder[]; signal: AbortSignal },
): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  let stop: (() => void) | undefined
  const due = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(true), ms)
    stop = () => resolve(false)
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
  })
  try {
    return await Promise.race([due, ...recorders.map(({ stopped }) => stopped.then(() => false))])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop!)
  }
}

async function closeAll(recorders: readonly Recorder[]): Promise<void> {
  await Promise.all(recorders.map((recorder) => recorder.close()))
}

/** What was told of a recorder, and what is new since. */
class Told {
  readonly #recorder: Recorder
  readonly #cli: Cli
  readonly #json: boolean
  readonly #startedAt = Date.now()
  #recorded = 0
  #at = Date.now()

  constructor(recorder: Recorder, cli: Cli, { json }: { json: boolean }) {
    this.#recorder = recorder
    this.#cli = cli
    this.#json = json
  }

  async now(): Promise<void> {
    const { status } = this.#recorder
    const perSecond = ((status.recorded - this.#recorded) / Math.max(Date.now() - this.#at, 1)) * 1_000
    this.#recorded = status.recorded
    this.#at = Date.now()
    if (!this.#json) return this.#cli.say(lineOf(status, perSecond))
    await this.#cli.output.json({ time: new Date().toISOString(), ...status })
    this.#cli.output.requireReader()
  }

  async last(): Promise<void> {
    const { status } = this.#recorder
    const seconds = Math.round((Date.now() - this.#startedAt) / 1_000)
    if (this.#json) await this.#cli.output.json({ time: new Date().toISOString(), ...status })
    this.#cli.say(
      `Recorded ${count(status.recorded)} events in ${seconds} s; the history of ${status.exchange} ends at position ${count(status.head)}`,
    )
  }
}

function lineOf({ exchange, state, head, held, duplicates }: RecorderStatus, perSecond: number): string {
  const parts = [`${exchange}: ${state}`, `head ${count(head)}`, `${count(Math.round(perSecond))}/s`]
  if (held > 0) parts.push(`${count(held)} at hand`)
  if (duplicates > 0) parts.push(`${count(duplicates)} duplicates dropped`)
  return parts.join(', ')
}

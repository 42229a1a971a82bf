/**
 * The development broker: one that outlives the command which started it, until `down`.
 *
 * What it holds stays in its folder (or in Docker's volume) over `down` and `up`. It is on the usual
 * port 5672 where that is free, else on a free one; `broker.json` in the folder tells.
 */
import { resolve } from 'node:path'
import { redactUrl } from '../../broker/index.ts'
import { installAdvice } from './advice.ts'
import { installByApt, mayInstallByApt } from './apt.ts'
import { composeAnswers, composeDown, composeUp, developmentProject } from './compose.ts'
import { endNode, startNode } from './dev-node.ts'
import { busyError, claimState, isBusy, isOurs, readState, removeState, writeState } from './dev-state.ts'
import { ServiceError } from './errors.ts'
import { type BrokerWay, useGiven } from './find-broker.ts'
import { findInstallation } from './installation.ts'
import { brokerAnswers } from './readiness.ts'

export interface DevBrokerOptions {
  /** The broker that the user named; it is used, and none started. */
  readonly url?: string
  /** Where the broker's state and data are kept. Default `.backstory` in the working folder. */
  readonly folder?: string
  /** Gets a line for each step. */
  readonly say: (line: string) => void
}

export interface DevBroker {
  readonly url: string
  readonly how: BrokerWay
  /** True where nothing had to be started. */
  readonly alreadyUp: boolean
}

const defaultFolder = '.backstory'

/**
 * Starts the development broker where it is not up, and resolves when it serves.
 *
 * @throws ServiceError `SERVICE_NOT_FOUND` where this machine has no way to run one, with the commands to
 *   type; `SERVICE_START_FAILED` where it does not start; `SERVICE_BUSY` where another command is at it.
 *   BrokerError where the named one does not let us in.
 */
export async function up({ url, folder = defaultFolder, say }: DevBrokerOptions): Promise<DevBroker> {
  if (url !== undefined) {
    await useGiven(url, { say })
    return { url, how: 'given', alreadyUp: true }
  }
  const place = resolve(folder)
  const running = await runningBroker({ folder: place })
  if (running !== undefined) {
    say(`RabbitMQ is up already, at ${redactUrl(running.url)}`)
    return running
  }
  await forget(place)
  await claimState(place, { how: 'installed', busy: process.pid })
  try {
    return await start(place, say)
  } catch (error) {
    await forget(place)
    throw error
  }
}

/**
 * Ends the development broker and keeps its data.
 *
 * @returns `wasUp` false where there was none to end.
 * @throws ServiceError `SERVICE_STOP_FAILED` where it does not end; `SERVICE_BUSY` where another command
 *   is starting it.
 */
export async function down({
  folder = defaultFolder,
  say,
}: Omit<DevBrokerOptions, 'url'>): Promise<{ wasUp: boolean }> {
  const place = resolve(folder)
  const state = await readState(place)
  if (state === undefined) {
    say(`No RabbitMQ was started from ${place}`)
    return { wasUp: false }
  }
  if (await isBusy(state)) throw busyError(place)
  const wasUp = state.how === 'compose' || (await isOurs(state.server, place))
  say(wasUp ? `Ending the RabbitMQ at ${redactUrl(state.url ?? '')}` : 'RabbitMQ was not up any more')
  await forget(place)
  return { wasUp }
}

/**
 * The development broker that is up, undefined where none is.
 *
 * @throws ServiceError `SERVICE_BUSY` where another command is starting it.
 */
export async function runningBroker({
  folder = defaultFolder,
}: Pick<DevBrokerOptions, 'folder'>): Promise<DevBroker | undefined> {
  const place = resolve(folder)
  const state = await readState(place)
  if (state === undefined) return undefined
  if (await isBusy(state)) throw busyError(place)
  const { url, how } = state
  return url !== undefined && (await brokerAnswers(url)) ? { url, how, alreadyUp: true } : undefined
}

async function start(place: string, say: (line: string) => void): Promise<DevBroker> {
  const path = process.env.PATH ?? ''
  const installation = findInstallation({ path })
  if (installation !== undefined) {
    return { ...(await startNode(place, { how: 'installed', installation, say })), alreadyUp: false }
  }
  if (await composeAnswers()) {
    say('Starting RabbitMQ with Docker Compose')
    const url = await composeUp(developmentProject, { say })
    await writeState(place, { how: 'compose', url })
    return { url, how: 'compose', alreadyUp: false }
  }
  if (mayInstallByApt()) {
    say('Installing rabbitmq-server with apt-get, without starting it as a service')
    await installByApt('rabbitmq-server', { say })
    const added = findInstallation({ path })
    if (added !== undefined) {
      return { ...(await startNode(place, { how: 'apt', installation: added, say })), alreadyUp: false }
    }
  }
  throw new ServiceError('SERVICE_NOT_FOUND', `No RabbitMQ can be started here.\n${installAdvice()}`)
}

/** Ends what the state names, whole or half started, and the state with it. */
async function forget(place: string): Promise<void> {
  const state = await readState(place)
  if (state?.how === 'compose') await composeDown(developmentProject)
  else if (state !== undefined) await endNode(place, state)
  await removeState(place)
}

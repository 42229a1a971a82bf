/**
 * Finds a RabbitMQ or starts one, and says which way it took.
 *
 * A broker that the user named is used as it is, and where it does not answer that is an error, not a
 * reason to take another. What is started here is gone after `close()`; a development broker that was
 * up already stays up. Tests, with `preferPrivate`, use the user's own only where no private one can be
 * started: they leave queues behind when they fail, and kill brokers.
 */
import { connectBroker, redactUrl } from '../../broker/index.ts'
import { installAdvice } from './advice.ts'
import { installByApt, mayInstallByApt } from './apt.ts'
import { composeAnswers, composeDown, composeUp, composeUrl, developmentProject } from './compose.ts'
import { ServiceError } from './errors.ts'
import { chosenInstallation, startPrivateBroker } from './private-broker.ts'

type Say = (line: string) => void

/** `given`: by URL. `installed`: private, from an installed server. `compose`: Docker. `apt`: installed now. */
export type BrokerWay = 'given' | 'installed' | 'compose' | 'apt'

export interface FoundBroker {
  readonly url: string
  readonly how: BrokerWay
  /** Ends what was started for this; leaves alone what was there. */
  close(): Promise<void>
}

/** Resolves to undefined where this machine does not have that way. */
export type Finder = () => Promise<FoundBroker | undefined>

/**
 * @param options.url - The broker that the user named.
 * @param options.preferPrivate - For tests. Default false.
 * @param options.say - Gets a line for each step.
 * @throws BrokerError `BROKER_UNREACHABLE` or `BROKER_ACCESS_REFUSED` where the named one does not let us
 *   in; ServiceError `SERVICE_NOT_FOUND` where there is no way, with the commands to type.
 */
export async function findBroker({
  url,
  preferPrivate = false,
  say,
}: {
  url?: string
  preferPrivate?: boolean
  say: Say
}): Promise<FoundBroker> {
  const given = () => givenBroker(url, { say })
  const installed = () => installedBroker({ say })
  const apt = () => aptBroker({ say })
  const finders = preferPrivate
    ? [installed, apt, () => composeBroker(`backstory-${process.pid}`, { say }), given]
    : [given, installed, () => composeBroker(developmentProject, { say }), apt]
  return await firstFound(finders, { say })
}

/** Asks each finder in turn; one that failed is told, and the next one asked. */
export async function firstFound(finders: readonly Finder[], { say }: { say: Say }): Promise<FoundBroker> {
  let failure: ServiceError | undefined
  for (const find of finders) {
    try {
      const found = await find()
      if (found !== undefined) return found
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error
      say(error.message)
      failure ??= error
    }
  }
  const message = `No RabbitMQ was found, and none could be started.\n${installAdvice()}`
  throw new ServiceError('SERVICE_NOT_FOUND', message, { cause: failure })
}

const givenTimeoutMs = 10_000

async function givenBroker(url: string | undefined, { say }: { say: Say }): Promise<FoundBroker | undefined> {
  if (url === undefined) return undefined
  await useGiven(url, { say })
  return { url, how: 'given', async close() {} }
}

/**
 * Sees that the broker which the user named lets us in.
 *
 * @throws BrokerError `BROKER_UNREACHABLE` or `BROKER_ACCESS_REFUSED` where it does not.
 */
export async function useGiven(url: string, { say }: { say: Say }): Promise<void> {
  say(`Using the RabbitMQ at ${redactUrl(url)}`)
  const broker = connectBroker({ url, name: 'backstory readiness' })
  try {
    await broker.connected({ timeoutMs: givenTimeoutMs })
  } finally {
    await broker.close()
  }
}

async function installedBroker({ say }: { say: Say }): Promise<FoundBroker | undefined> {
  if (chosenInstallation() === undefined) return undefined
  return await privateBroker('installed', { say })
}

async function aptBroker({ say }: { say: Say }): Promise<FoundBroker | undefined> {
  if (!mayInstallByApt()) return undefined
  say('Installing rabbitmq-server with apt-get, without starting it as a service')
  await installByApt('rabbitmq-server', { say })
  return await privateBroker('apt', { say })
}

async function privateBroker(how: BrokerWay, { say }: { say: Say }): Promise<FoundBroker> {
  const broker = await startPrivateBroker({ say })
  return { url: broker.url, how, close: () => broker.stop() }
}

async function composeBroker(project: string, { say }: { say: Say }): Promise<FoundBroker | undefined> {
  if (!(await composeAnswers())) return undefined
  const running = await composeUrl(project)
  if (running !== undefined) {
    say(`Using the RabbitMQ that Docker Compose runs at ${redactUrl(running)}`)
    return { url: running, how: 'compose', async close() {} }
  }
  say('Starting RabbitMQ with Docker Compose')
  const url = await composeUp(project, { say })
  const removeData = project !== developmentProject
  return { url, how: 'compose', close: () => composeDown(project, { removeData }) }
}

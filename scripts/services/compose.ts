/**
 * RabbitMQ by Docker Compose, from this package's docker-compose.yml.
 *
 * One Compose project is one broker with its data: `backstory` is the development broker, and a project
 * of another name is another broker, on ports of its own.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ServiceError } from './errors.ts'
import { drawPort, isFree } from './ports.ts'
import { brokerReady } from './readiness.ts'
import { run } from './run.ts'

export const developmentProject = 'backstory'

const amqpPort = 5672
const managementPort = 15672
const readyTimeoutMs = 60_000

/** Whether a Docker engine answers that has Compose. */
export async function composeAnswers(): Promise<boolean> {
  const engine = await run('docker', ['version', '--format', '{{.Server.Version}}'])
  return engine.code === 0 && (await run('docker', ['compose', 'version'])).code === 0
}

/** The broker's URL where it is up, else undefined. */
export async function composeUrl(project: string): Promise<string | undefined> {
  const { code, output } = await compose(project, ['port', 'rabbitmq', String(amqpPort)])
  const port = /:(\d+)\s*$/.exec(output)?.[1]
  return code === 0 && port !== undefined && port !== '0' ? urlAt(Number(port)) : undefined
}

/**
 * Starts the project's broker, on the usual ports where they are free, and resolves when it serves.
 *
 * @throws ServiceError `SERVICE_START_FAILED` with the end of Compose's output.
 */
export async function composeUp(
  project: string,
  { say = () => {} }: { say?: (line: string) => void } = {},
): Promise<string> {
  const env = {
    BACKSTORY_RABBITMQ_PORT: String(await freePort(amqpPort)),
    BACKSTORY_RABBITMQ_UI_PORT: String(await freePort(managementPort)),
  }
  const { code, output } = await compose(project, ['up', '-d', '--wait', 'rabbitmq'], {
    env,
    onLine: (line) => say(`  ${line.trim()}`),
  })
  const url = code === 0 ? await composeUrl(project) : undefined
  if (url === undefined) {
    const tail = output.split('\n').slice(-15).join('\n')
    throw new ServiceError('SERVICE_START_FAILED', `Docker Compose could not start RabbitMQ:\n${tail}`)
  }
  await brokerReady(url, { timeoutMs: readyTimeoutMs })
  return url
}

/**
 * Ends the project's broker.
 *
 * @param options.removeData - Also forgets what it held. Default false.
 * @throws ServiceError `SERVICE_STOP_FAILED` with the end of Compose's output.
 */
export async function composeDown(project: string, { removeData = false } = {}): Promise<void> {
  const { code, output } = await compose(project, ['down', ...(removeData ? ['--volumes'] : [])])
  if (code === 0) return
  throw new ServiceError('SERVICE_STOP_FAILED', `Docker Compose could not end RabbitMQ:\n${output}`)
}

async function compose(project: string, args: readonly string[], options: Parameters<typeof run>[2] = {}) {
  return await run(
    'docker',
    ['compose', '--file', composeFile(), '--project-name', project, ...args],
    options,
  )
}

/** In the package's root: above this file, and one more folder above it in dist. */
function composeFile(): string {
  let folder = import.meta.dirname
  while (!existsSync(join(folder, 'docker-compose.yml')) && dirname(folder) !== folder)
    folder = dirname(folder)
  return join(folder, 'docker-compose.yml')
}

function urlAt(port: number): string {
  return `amqp://guest:guest@127.0.0.1:${port}`
}

async function freePort(usual: number): Promise<number> {
  return (await isFree(usual)) ? usual : await drawPort()
}

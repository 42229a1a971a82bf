/**
 * What is known of a development broker between two commands: `broker.json` in its folder.
 *
 * Creating the file is the claim to start one, so that two commands at once cannot run two servers on
 * the same data. Process numbers in it may be stale, and another's by now: what has such a number is
 * ours only where its command line says so.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { NodePorts } from './broker-node.ts'
import { ServiceError } from './errors.ts'
import type { BrokerWay } from './find-broker.ts'
import { run } from './run.ts'

export interface DevState {
  readonly how: BrokerWay
  /** The command that is starting the broker; undefined once it is up. */
  readonly busy?: number
  readonly url?: string
  readonly ports?: NodePorts
  readonly server?: number
  readonly epmd?: number
}

/** @returns undefined where no broker was started from this folder, or it was ended. */
export async function readState(folder: string): Promise<DevState | undefined> {
  const text = await readFile(stateFile(folder), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as DevState
  } catch (cause) {
    const message = `${stateFile(folder)} is not readable; delete it, and end what may still run there`
    throw new ServiceError('SERVICE_BUSY', message, { cause })
  }
}

/**
 * Claims the folder for this process, which goes on to start a broker.
 *
 * @throws ServiceError `SERVICE_BUSY` where another command has it.
 */
export async function claimState(folder: string, state: DevState): Promise<void> {
  await mkdir(folder, { recursive: true })
  try {
    await writeFile(stateFile(folder), toText(state), { flag: 'wx', mode: 0o600 })
  } catch (cause) {
    throw busyError(folder, cause)
  }
}

export async function writeState(folder: string, state: DevState): Promise<void> {
  await writeFile(stateFile(folder), toText(state))
}

export async function removeState(folder: string): Promise<void> {
  await rm(stateFile(folder), { force: true })
}

export function busyError(folder: string, cause?: unknown): ServiceError {
  const message = `Another command is starting the broker of ${folder}; wait for it and try again`
  return new ServiceError('SERVICE_BUSY', message, { cause })
}

/** Whether the process runs and its command line holds `mark`. */
export async function isOurs(pid: number | undefined, mark: string): Promise<boolean> {
  return pid !== undefined && (await commandLineOf(pid)).includes(mark)
}

/** Whether another command is starting the broker, and has not been killed meanwhile. */
export async function isBusy({ busy }: DevState): Promise<boolean> {
  return busy !== process.pid && (await isOurs(busy, basename(process.execPath)))
}

/** Empty where there is no such process, or only what is left of one that its parent has not asked for. */
async function commandLineOf(pid: number): Promise<string> {
  const viaProc = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined)
  if (viaProc !== undefined) return viaProc.replaceAll('\0', ' ')
  if (process.platform === 'linux') return ''
  return (await run('ps', ['-o', 'args=', '-p', String(pid)])).output.trim()
}

function stateFile(folder: string): string {
  return join(folder, 'broker.json')
}

function toText(state: DevState): string {
  return `${JSON.stringify(state, undefined, 2)}\n`
}

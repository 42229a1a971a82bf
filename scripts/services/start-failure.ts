/** What a server that does not start is told by. */
import { readFile } from 'node:fs/promises'
import { ServiceError } from './errors.ts'

const lines = 20

/** @returns ServiceError `SERVICE_START_FAILED`, with the end of its log. */
export async function startFailure(what: string, log: string, options?: ErrorOptions): Promise<ServiceError> {
  const text = await readFile(log, 'utf8').catch(() => '')
  const end = text.trimEnd().split('\n').slice(-lines).join('\n')
  return new ServiceError('SERVICE_START_FAILED', `${what}. The end of its log:\n${end}`, options)
}

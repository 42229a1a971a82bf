/**
 * The fingerprint of an error: equal for failures of one kind, whatever order they happened to.
 *
 * It is made of the error's class, its code, and the first frame of its stack that is the application's
 * own. The message is left out: it holds numbers and names that differ from event to event.
 */
import { hash } from 'node:crypto'
import { inspect } from 'node:util'
import type { ParkedError } from './parking.ts'

const messageLengthMax = 2_000
const stackLengthMax = 8_000

/** What is kept of a thrown value, which need not be an error. */
export function parkedError(thrown: unknown): ParkedError {
  const { name, code, message, stack } = describe(thrown)
  // A message of several lines may hold one that looks like a frame.
  const frames = stack?.slice(stack.indexOf(message) + message.length)
  const group = hash('sha256', [name, code ?? '', ownFrame(frames) ?? ''].join('\0')).slice(0, 12)
  return {
    name,
    code,
    message: message.slice(0, messageLengthMax),
    stack: stack?.slice(0, stackLengthMax),
    group,
  }
}

function describe(thrown: unknown): Pick<ParkedError, 'name' | 'code' | 'message' | 'stack'> {
  if (!(thrown instanceof Error))
    return { name: typeof thrown, code: undefined, message: textOf(thrown), stack: undefined }
  const { code } = thrown as { code?: unknown }
  const isCode = typeof code === 'string' || typeof code === 'number'
  // A class that does not set its name is still another class.
  const name = textOf(thrown.name === 'Error' ? thrown.constructor.name : thrown.name)
  const stack = thrown.stack === undefined ? undefined : textOf(thrown.stack)
  return { name, code: isCode ? String(code) : undefined, message: textOf(thrown.message), stack }
}

/** Whatever was thrown is kept, an object that is no text too. */
function textOf(value: unknown): string {
  return typeof value === 'string'
    ? value
    : inspect(value, { depth: 1, breakLength: Number.POSITIVE_INFINITY })
}

/** The first frame that is neither Node's, nor a package's, nor ours. */
function ownFrame(stack: string | undefined): string | undefined {
  return stack
    ?.split('\n')
    .map((line) => line.trim())
    .find((line) => line.startsWith('at ') && !foreign.test(line) && !isOurs(line))
}

const foreign = /\(?node:|[\\/]node_modules[\\/]|<anonymous>\)?$|\(native\)/
/** This toolkit's frames are in everybody's stack. */
function isOurs(frame: string): boolean {
  return ownFolders.some((folder) => frame.includes(folder))
}

const ownFolders = ['consumers', 'events', 'history'].map(
  (folder) => new URL(`../../${folder}/`, import.meta.url).pathname,
)

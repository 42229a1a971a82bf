/**
 * Free TCP ports of the loopback interface.
 *
 * A port that the kernel gives out may be taken by any outgoing connection before it is used, so ports
 * are drawn at random below the range that Linux (32768) and macOS (49152) give out from. Two processes
 * may still draw the same one: who starts a server there must cope with finding it taken.
 */
import { randomInt } from 'node:crypto'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const host = '127.0.0.1'
const firstPort = 20_000
const lastPort = 32_000
const pollMs = 20

/** Drawn before by this process, which may be about to use them. */
const drawn = new Set<number>()

export async function drawPort(): Promise<number> {
  while (true) {
    const port = randomInt(firstPort, lastPort)
    if (drawn.has(port) || !(await isFree(port))) continue
    drawn.add(port)
    return port
  }
}

/** Whether a server could listen there now. */
export async function isFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** Resolves once something accepts connections there, or with an AbortError when told to give up. */
export async function listening(port: number, { signal }: { signal: AbortSignal }): Promise<void> {
  while (!(await accepts(port))) await sleep(pollMs, undefined, { signal })
}

/** Whether something accepts connections there now. */
export async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ port, host })
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

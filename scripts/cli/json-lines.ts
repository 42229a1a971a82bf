/**
 * Lines of a byte stream, numbered from 1, however it is cut into chunks.
 *
 * LF or CRLF, a byte order mark is dropped, blank lines are skipped. Memory holds a line, not the stream:
 * one that is longer than a message may be comes without its text.
 */

export interface Line {
  readonly number: number
  /** Undefined where it is too long or no UTF-8; `reason` says which. */
  readonly text: string | undefined
  readonly reason?: string
}

/** RabbitMQ 4 takes 16 MiB; as base64 that is a third more. */
const lineBytesMax = 32 * 1024 * 1024
const newline = 0x0a

export async function* readLines(
  chunks: AsyncIterable<Uint8Array | string>,
  { bytesMax = lineBytesMax }: { bytesMax?: number } = {},
): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let number = 0
  let rest: Buffer[] = []
  let restBytes = 0
  const finish = (last: Buffer): Line | undefined => {
    number += 1
    const isTooLong = restBytes + last.length > bytesMax
    const bytes = isTooLong || rest.length === 0 ? last : Buffer.concat([...rest, last])
    rest = []
    restBytes = 0
    if (isTooLong) return { number, text: undefined, reason: `is longer than ${bytesMax} bytes` }
    try {
      const text = decoder.decode(bytes).trim()
      return text === '' ? undefined : { number, text }
    } catch {
      return { number, text: undefined, reason: 'is no UTF-8' }
    }
  }
  for await (const data of chunks) {
    const chunk = Buffer.isBuffer(data) ? data : Buffer.from(data as Uint8Array)
    let from = 0
    for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, from)) {
      const line = finish(chunk.subarray(from, at))
      from = at + 1
      if (line !== undefined) yield line
    }
    const tail = chunk.subarray(from)
    restBytes += tail.length
    // What is too long already is counted, not kept.
    if (restBytes > bytesMax) rest = []
    else if (tail.length > 0) rest.push(tail)
  }
  const last = restBytes === 0 ? undefined : finish(Buffer.alloc(0))
  if (last !== undefined) yield last
}

/** The lines of a file, in constant memory. Not by `node:readline`, to which U+2028 ends a line of JSON. */
import { createReadStream } from 'node:fs'

export async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of createReadStream(file, { encoding: 'utf8', highWaterMark: 1024 * 1024 })) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    yield* lines
  }
  if (rest !== '') yield rest
}

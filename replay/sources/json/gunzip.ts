/**
 * What gzip has compressed, chunk by chunk, of several members too. Compressed bytes are taken a few at a time,
 * so that what they become stays small however well they were compressed.
 */
import { createGunzip } from 'node:zlib'

/** At its best gzip makes a thousandth of something: 16 MB of this. */
const inputBytes = 16 * 1024
const outputBytes = 128 * 1024

/** The compressed bytes are damaged, or end too early. All that comes before has been given. */
export class GzipDamage extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause })
    this.name = 'GzipDamage'
  }
}

export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b
}

/**
 * @param onBytes - Told how many compressed bytes are taken, before what they become is given.
 * @throws GzipDamage. What `compressed` throws.
 */
export async function* gunzipped(
  compressed: AsyncIterable<Uint8Array>,
  onBytes: (count: number) => void,
): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: outputBytes })
  const ready: Buffer[] = []
  let damage: GzipDamage | undefined
  gunzip.on('data', (chunk: Buffer) => ready.push(chunk))
  gunzip.on('error', (error) => {
    damage ??= new GzipDamage(error)
  })
  // Where it is damaged no write is answered any more.
  let wake = () => {}
  gunzip.on('close', () => wake())
  try {
    for await (const chunk of compressed) {
      for (let at = 0; at < chunk.length && damage === undefined; at += inputBytes) {
        // It keeps what it is given until it is done with it, and the chunk is the reader's.
        const part = Buffer.from(chunk.subarray(at, at + inputBytes))
        const before = gunzip.bytesWritten
        onBytes(part.length)
        await new Promise<void>((resolve) => {
          wake = resolve
          gunzip.write(part, () => resolve())
        })
        yield* ready.splice(0)
        // Behind its end it passes over what begins with zeros: those fill up blocks.
        const passedOver = part.subarray(gunzip.bytesWritten - before)
        if (passedOver.some((byte) => byte !== 0))
          damage ??= new GzipDamage(new Error('something follows its end'))
      }
      if (damage !== undefined) throw damage
    }
    await new Promise<void>((resolve) => {
      wake = resolve
      gunzip.end()
    })
    yield* ready.splice(0)
    if (damage !== undefined) throw damage
  } finally {
    gunzip.destroy()
  }
}

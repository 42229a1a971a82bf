/** Going on behind an event, in the files that it was read from. */
import { createHash } from 'node:crypto'
import { ReplayError } from '../../errors.ts'
import type { ByteStream } from './byte-stream.ts'
import type { InputFile } from './input-file.ts'
import { bytesOfCheck, checkOf, checksOfEarlier, type ResumePoint } from './resume-token.ts'

/**
 * @returns The index of the file to go on with.
 * @throws ReplayError `REPLAY_CHECKPOINT_FOREIGN` where it is not there, or not behind the same files: one that
 *   has come or grown since then would be passed over.
 */
export function requireSameFiles({ file, earlier }: ResumePoint, files: readonly InputFile[]): number {
  const index = files.findIndex(({ name }) => name === file)
  if (index === -1) throw foreign(file, 'is not among the files to read')
  if (checksOfEarlier(files)[index] === earlier) return index
  throw foreign(file, 'does not come behind the same files, of the same sizes, any more')
}

/** @throws ReplayError `REPLAY_CHECKPOINT_FOREIGN` where the file begins otherwise. */
export async function requireSameHead({ file, head }: ResumePoint, stream: ByteStream): Promise<void> {
  const found = await stream.head(bytesOfCheck(head))
  if ((found && checkOf(found)) !== head) throw foreign(file, 'has changed')
}

/**
 * The bytes that follow.
 *
 * @throws ReplayError `REPLAY_CHECKPOINT_FOREIGN` where the event is not in its place. As `ByteStream.read`.
 */
export async function* bytesBehind(
  { file, offset, last }: ResumePoint,
  stream: ByteStream,
): AsyncGenerator<Uint8Array> {
  const bytes = bytesOfCheck(last)
  const hash = createHash('sha256')
  let left = bytes
  for await (const chunk of stream.read(offset - bytes)) {
    if (left === 0) {
      yield chunk
      continue
    }
    hash.update(chunk.subarray(0, left))
    if (chunk.length < left) {
      left -= chunk.length
      continue
    }
    const rest = chunk.subarray(left)
    left = 0
    if (`${bytes}:${hash.digest('hex').slice(0, 32)}` !== last) throw foreign(file, 'has changed')
    if (rest.length > 0) yield rest
  }
  if (left > 0) throw foreign(file, 'has become shorter')
}

function foreign(file: string, why: string): ReplayError {
  return new ReplayError(
    'REPLAY_CHECKPOINT_FOREIGN',
    `${file} ${why} since the run was ended: put it back as it was, or begin a new run`,
  )
}

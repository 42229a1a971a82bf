/** What could not be read, as text that no one takes for JSON. */
import { isUtf8 } from 'node:buffer'

/** @returns The bytes, or the first of them and `…`; of what is no UTF-8, `base64:` and their base64. */
export function unreadableText(bytes: Buffer, bytesMax: number): string {
  const isCut = bytes.length > bytesMax
  const shown = isCut ? bytes.subarray(0, bytesMax) : bytes
  // As bytes, or what has taken the place of some of them might be read as the event.
  if (!isUtf8(isCut ? shown.subarray(0, -3) : shown))
    return `base64:${shown.toString('base64')}${isCut ? '…' : ''}`
  return isCut ? `${shown.toString()}…` : shown.toString()
}

/** Notes beside the events that belong to the exchange, and so go where its history goes. */
import type { HistoryReader } from '../reader.ts'
import type { HistoryWriter } from '../writer.ts'

/** How the exchange is bound: the next recorder must bind it no other way. */
const names = ['bindings']

export type Notes = Readonly<Record<string, string>>

export async function readNotes(reader: HistoryReader): Promise<Notes> {
  const notes: Record<string, string> = {}
  for (const name of names) {
    const value = await reader.note(name)
    if (value !== undefined) notes[name] = value
  }
  return notes
}

/** Keeps those that the history has none of. */
export async function keepNotes(writer: HistoryWriter, notes: Notes): Promise<void> {
  const missing: Record<string, string> = {}
  for (const name of names) {
    if (Object.hasOwn(notes, name) && (await writer.note(name)) === undefined) missing[name] = notes[name]!
  }
  if (Object.keys(missing).length > 0) await writer.append({ events: [], fences: [], notes: missing })
}

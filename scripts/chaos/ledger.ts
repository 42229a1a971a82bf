/**
 * A publisher's own account of what it did, in a file that outlives its SIGKILL: a line before each
 * publish, and one after what became of it.
 *
 * A confirm that came an instant before the kill may be missing; none that did not come is there. So what
 * it says to be confirmed must be in the history, and what it has not begun must not.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'

export interface Account {
  /** The ids in the order in which they were first published. */
  readonly begun: readonly string[]
  readonly confirmed: ReadonlySet<string>
  /** Rejected, and published again with the same id: it may be behind later ones, as the caller's own doing. */
  readonly again: ReadonlySet<string>
}

export class LedgerWriter {
  readonly #file: number

  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  begin(ids: readonly string[]): void {
    if (ids.length > 0) writeSync(this.#file, ids.map((id) => `begin ${id}\n`).join(''))
  }

  confirm(id: string): void {
    writeSync(this.#file, `confirm ${id}\n`)
  }

  again(id: string): void {
    writeSync(this.#file, `again ${id}\n`)
  }

  close(): void {
    closeSync(this.#file)
  }
}

/** An empty account where there is no file yet. */
export async function readLedger(path: string): Promise<Account> {
  const text = await readFile(path, 'utf8').catch(() => '')
  const begun = new Set<string>()
  const confirmed = new Set<string>()
  const again = new Set<string>()
  // What follows the last end of line was cut short.
  for (const line of text.split('\n').slice(0, -1)) {
    const [what, id] = line.split(' ') as [string, string]
    if (what === 'begin') begun.add(id)
    else if (what === 'confirm') confirmed.add(id)
    else if (what === 'again') again.add(id)
  }
  return { begun: [...begun], confirmed, again }
}

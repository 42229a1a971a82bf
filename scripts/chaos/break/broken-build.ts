/**
 * A broken build: copies of the files that a break replaces, which the processes of a run load in place of
 * ours. The files themselves stay as they are, and there is no switch in them.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Break, type BreakName, breaks, type Replacement } from './breaks.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** What the hook is told: URLs of files, each with the one to load in its place and where to note that. */
export type Swaps = Readonly<Record<string, { readonly url: string; readonly note: string }>>

export class BrokenBuild {
  readonly #name: BreakName
  readonly #swaps: Swaps

  /**
   * @param folder - For the copies.
   * @throws Error where a text to replace is not there exactly once.
   */
  constructor(name: BreakName, folder: string) {
    this.#name = name
    mkdirSync(folder, { recursive: true })
    const { replacements }: Break = breaks[name]
    const texts = new Map<string, string>()
    for (const replacement of replacements) {
      const file = located(replacement.file)
      texts.set(file, replaced(texts.get(file) ?? readFileSync(join(root, file), 'utf8'), replacement))
    }
    this.#swaps = Object.fromEntries(
      [...texts].map(([file, text]) => {
        const copy = join(folder, basename(file))
        writeFileSync(copy, text)
        const swap = { url: pathToFileURL(copy).href, note: `${copy}.loaded` }
        return [pathToFileURL(join(root, file)).href, swap]
      }),
    )
  }

  /** Arguments for node, behind those that load tsx. */
  get nodeArgs(): string[] {
    const register = new URL('./register.ts', import.meta.url)
    register.searchParams.set('swaps', JSON.stringify(this.#swaps))
    return ['--import', register.href]
  }

  /** @throws Error where no process has loaded a broken file: then the run says nothing of the break. */
  requireLoaded(): void {
    for (const [file, { note }] of Object.entries(this.#swaps)) {
      if (!existsSync(note)) throw new Error(`Break ${this.#name}: no process has loaded ${file}`)
    }
  }
}

/** A file may move within its folder: it is known by its name there. */
function located(file: string): string {
  const [folder] = file.split('/') as [string]
  const found = readdirSync(join(root, folder), { recursive: true })
    .map((path) => join(folder, String(path)))
    .filter((path) => basename(path) === basename(file))
  if (found.length === 1) return found[0]!
  throw new Error(`Expected one ${basename(file)} in ${folder}, found ${found.length}`)
}

function replaced(source: string, { file, text, by }: Replacement): string {
  const parts = source.split(text)
  if (parts.length === 2) return parts.join(by)
  throw new Error(`Expected ${file} to have this text once, found it ${parts.length - 1} times: ${text}`)
}

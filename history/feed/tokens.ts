/**
 * Bearer tokens, each with the name of who has it. Only their hashes are kept, and each is compared in
 * constant time: how long an answer takes tells nothing of how much of a token was right.
 *
 * The file is looked at every second: who is taken out of it is let in no more, and what is being read
 * with that token ends. A file that can no longer be read, or is wrong, changes nothing and is told.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { closeSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs'
import type { Logger } from '../../events/index.ts'
import { HistoryError } from '../errors.ts'
import { Problem } from './problem.ts'

/** Who may read, as long as it is valid. */
export interface Grant {
  readonly name: string
  readonly isValid: boolean
}

export class Tokens {
  readonly #path: string
  readonly #logger: Logger
  readonly #timer: NodeJS.Timeout
  #look: string
  #grants: readonly TokenGrant[]

  /** @throws HistoryError `HISTORY_TOKENS_INVALID`. */
  constructor(path: string, { logger }: { logger: Logger }) {
    this.#path = path
    this.#logger = logger
    this.#look = lookOf(path)
    this.#grants = readGrants(path)
    this.#timer = setInterval(() => this.#reread(), lookEveryMs)
    this.#timer.unref()
  }

  /** @throws Problem `FEED_TOKEN_MISSING`, `FEED_TOKEN_UNKNOWN`. */
  authenticate(authorization: string | undefined): Grant {
    const [, token] = /^bearer +([\w.~+/=-]+) *$/i.exec(authorization ?? '') ?? []
    if (token === undefined) {
      throw new Problem('FEED_TOKEN_MISSING', 'Send a token: Authorization: Bearer …', { headers: challenge })
    }
    const hash = hashOf(token)
    let found: Grant | undefined
    // To the end, though it be the first.
    for (const grant of this.#grants) if (timingSafeEqual(grant.hash, hash)) found = grant
    if (found !== undefined) return found
    throw new Problem('FEED_TOKEN_UNKNOWN', 'This token is not, or no longer, one of this feed', {
      headers: { 'www-authenticate': 'Bearer realm="backstory", error="invalid_token"' },
    })
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #reread(): void {
    const path = this.#path
    const look = lookOf(path)
    if (look === this.#look) return
    this.#look = look
    try {
      const grants = readGrants(path)
      for (const former of this.#grants) {
        const kept = grants.find(
          (grant) => grant.name === former.name && timingSafeEqual(grant.hash, former.hash),
        )
        former.isValid = kept !== undefined
        // What is being read with it hangs on the former one.
        if (kept !== undefined) grants[grants.indexOf(kept)] = former
      }
      this.#grants = grants
      this.#logger.info('feed.tokens-read', { path })
    } catch (error) {
      this.#logger.error('feed.tokens-refused', { path, error: (error as Error).message })
    }
  }
}

const lookEveryMs = 1_000
const challenge = { 'www-authenticate': 'Bearer realm="backstory"' }
/** 16 random bytes in hexadecimal, or more. */
const tokenLengthMin = 32

interface TokenGrant extends Grant {
  isValid: boolean
  readonly hash: Buffer
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** Another one where the file has changed; where it cannot be looked at, why. */
function lookOf(path: string): string {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(path)
    return `${ino} ${size} ${mtimeMs} ${ctimeMs}`
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}

function readGrants(path: string): TokenGrant[] {
  const grants: TokenGrant[] = []
  for (const [index, text] of readPrivate(path).split(/\r?\n/).entries()) {
    const line = text.trim()
    if (line === '' || line.startsWith('#')) continue
    const where = `line ${index + 1} of ${path}`
    const [, name, token] = /^([\w.@-]+)(?:\s*:\s*|\s+)([\w.~+/=-]+)$/.exec(line) ?? []
    if (name === undefined) throw invalid(`${where} is no \`name:token\``)
    if (token!.length < tokenLengthMin) {
      throw invalid(
        `${where}: the token of ${name} has less than ${tokenLengthMin} characters; openssl rand -hex 32 makes one`,
      )
    }
    const hash = hashOf(token!)
    const same = grants.find((grant) => grant.name === name || timingSafeEqual(grant.hash, hash))
    if (same !== undefined) throw invalid(`${where}: ${name} has the name or the token of another line`)
    grants.push({ name, hash, isValid: true })
  }
  if (grants.length === 0) throw invalid(`${path} has no token: give it a line \`name:token\``)
  return grants
}

function readPrivate(path: string): string {
  let file: number | undefined
  try {
    file = openSync(path, 'r')
    if (process.platform !== 'win32' && (fstatSync(file).mode & 0o007) !== 0) {
      throw invalid(`${path} may be read or written by anyone on this machine: chmod 600 ${path}`)
    }
    return readFileSync(file, 'utf8')
  } catch (cause) {
    if (cause instanceof HistoryError) throw cause
    throw invalid(`${path} cannot be read (${(cause as Error).message})`, { cause })
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

function invalid(message: string, options?: ErrorOptions): HistoryError {
  return new HistoryError('HISTORY_TOKENS_INVALID', message, options)
}

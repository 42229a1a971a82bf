/** The headers that a plan gives for requests, some of them secret. */
import { validateHeaderName, validateHeaderValue } from 'node:http'
import { headerSecrets } from '../secrets.ts'
import type { PluginContext } from '../source.ts'

export interface GivenHeaders {
  readonly headers: Readonly<Record<string, string>>
  /** As they may be shown. */
  readonly shown: Readonly<Record<string, string>>
  /** What of their values may not be shown. */
  readonly secrets: readonly string[]
}

/** Made for each request. */
const own =
  /^(host|connection|content-length|transfer-encoding|expect|idempotency-key|backstory-replay|webhook-(id|timestamp|signature))$/
const secretName = /auth|cookie|token|key|secret|signature|password|credential/

/**
 * @param options.headers - Values by name.
 * @param options.settings - Names of settings that hold the values, by name.
 * @throws TypeError for a header that cannot be sent, or is made by us; for a setting that is not there.
 */
export function readHeaders(
  {
    headers = {},
    settings = {},
  }: {
    readonly headers: Readonly<Record<string, unknown>> | undefined
    readonly settings: Readonly<Record<string, unknown>> | undefined
  },
  context: PluginContext,
): GivenHeaders {
  const all: Record<string, string> = {}
  const shown: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    const key = headerName(name)
    all[key] = headerValue(key, value)
    shown[key] = secretName.test(key) ? '…' : all[key]
  }
  for (const [name, setting] of Object.entries(settings)) {
    const key = headerName(name)
    const value = typeof setting === 'string' ? context.setting(setting) : undefined
    if (value === undefined) throw new TypeError(`The setting of the header ${name} is not there: ${setting}`)
    all[key] = headerValue(key, value)
    shown[key] = '…'
  }
  const secrets = Object.keys(all).flatMap((name) =>
    shown[name] === all[name] ? [] : headerSecrets(all[name]!),
  )
  return { headers: all, shown, secrets }
}

function headerName(name: string): string {
  validateHeaderName(name)
  const key = name.toLowerCase()
  if (own.test(key)) throw new TypeError(`The header ${name} is made for each request and cannot be given`)
  return key
}

/** The value is in no message. */
function headerValue(name: string, value: unknown): string {
  if (typeof value !== 'string') throw new TypeError(`Expected the header ${name} to be a text`)
  try {
    validateHeaderValue(name, value)
  } catch {
    throw new TypeError(`The header ${name} has a character that no header can have`)
  }
  return value
}

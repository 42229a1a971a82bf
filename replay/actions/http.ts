/**
 * Sends each event to a URL. A key that stays the same for an event, at every try and in every run, lets the
 * receiver know it again; a signature lets it know that it comes from us.
 */

import { type Action, ActionFailure, type ActionPlugin, type PlannedWrite } from '../action.ts'
import { boundedMessage } from '../bounded-message.ts'
import { ReplayError } from '../errors.ts'
import { eventIdentity } from '../event-identity.ts'
import type { FailureKind } from '../failure-cause.ts'
import { type HttpAnswer, HttpClient } from '../http/http-client.ts'
import { type GivenHeaders, readHeaders } from '../http/http-headers.ts'
import { retryAfterMs } from '../http/retry-after.ts'
import { webhookHeaders, webhookKey } from '../http/standard-webhooks.ts'
import { isLoopback } from '../is-loopback.ts'
import { jsonOf } from '../mapping/json-of.ts'
import { type Mapping, parseMapping } from '../mapping/mapping.ts'
import { PluginOptions } from '../options.ts'
import type { ReplayEvent } from '../replay-event.ts'
import { Secrets, urlSecrets } from '../secrets.ts'
import { shownUrl } from '../shown-address.ts'
import type { PluginContext, PluginTarget } from '../source.ts'

export const action = {
  address: 'http://…, https://…',
  summary: 'Sends each event to a URL, with an idempotency key, signed if asked',
  options: {
    method: 'POST, PUT or PATCH; default: POST',
    body: 'What to send, a mapping of members; default: the event as its source holds it',
    headers: 'Headers by name; default: content-type: application/json',
    headerSettings: 'Headers by name, each with the name of the setting that holds its value, for secrets',
    secretSetting: 'Name of the setting that holds the secret for a signature (Standard Webhooks)',
    timeoutMs: 'Longest wait for an answer in milliseconds; default: 30000',
  },
  create: createHttpAction,
} satisfies ActionPlugin

function createHttpAction(target: PluginTarget): Action {
  const { address, context } = target
  if (!URL.canParse(address)) throw new TypeError('Expected a URL such as https://example.com/events')
  const options = new PluginOptions(target)
  const method = options.choice('method', ['POST', 'PUT', 'PATCH']) ?? 'POST'
  const body = options.object('body')
  const headers = readHeaders(
    { headers: options.object('headers'), settings: options.object('headerSettings') },
    context,
  )
  const key = readKey(options.text('secretSetting'), context)
  const timeoutMs = options.whole('timeoutMs', { min: 1, max: 2_000_000 }) ?? 30_000
  options.end()
  return new HttpAction(new URL(address), {
    method,
    mapping: body && parseMapping(body),
    headers,
    key,
    timeoutMs,
    runId: context.runId,
  })
}

function readKey(name: string | undefined, context: PluginContext): Buffer | undefined {
  if (name === undefined) return undefined
  const secret = context.setting(name)
  if (secret === undefined) throw new TypeError(`The setting of \`secretSetting\` is not there: ${name}`)
  return webhookKey(secret)
}

interface HttpOptions {
  readonly method: 'POST' | 'PUT' | 'PATCH'
  readonly mapping: Mapping | undefined
  readonly headers: GivenHeaders
  readonly key: Buffer | undefined
  readonly timeoutMs: number
  readonly runId: string
}

interface Prepared {
  readonly id: string
  readonly body: string
}

class HttpAction implements Action<Prepared> {
  readonly name: string
  readonly isLocal: boolean
  readonly isIdempotent: boolean
  readonly batchMax = 1
  readonly stopsAtFailure = true
  readonly #url: URL
  readonly #options: HttpOptions
  readonly #secrets: Secrets
  #client: HttpClient | undefined

  constructor(url: URL, options: HttpOptions) {
    this.name = shownUrl(url)
    this.isLocal = isLoopback(url.hostname)
    this.isIdempotent = options.method === 'PUT'
    this.#url = url
    this.#options = options
    this.#secrets = new Secrets([...options.headers.secrets, ...urlSecrets(url)])
  }

  prepare(event: ReplayEvent): Prepared {
    const { mapping } = this.#options
    // What is no JSON is sent nowhere.
    if (mapping === undefined) void event.json
    return { id: eventIdentity(event), body: mapping === undefined ? event.text : jsonOf(mapping, event) }
  }

  describe({ id, body }: Prepared): PlannedWrite {
    const { method, headers, key } = this.#options
    const signature = key && { 'webhook-id': id, 'webhook-timestamp': '…', 'webhook-signature': 'v1,…' }
    return {
      kind: 'request',
      method,
      url: this.name,
      headers: { ...this.#ownHeaders(id), ...headers.shown, ...signature },
      body,
    }
  }

  async open(): Promise<void> {
    this.#client = new HttpClient(this.#url, this.#options)
    try {
      await this.#client.check()
    } catch (cause) {
      const { message, code } = cause as NodeJS.ErrnoException
      throw new ReplayError(
        'REPLAY_ACTION_UNAVAILABLE',
        `${this.name} cannot be reached: ${message || code}`,
        { cause },
      )
    }
  }

  async act(
    [prepared]: readonly Prepared[],
    { signal }: { readonly signal: AbortSignal },
  ): Promise<undefined> {
    const { method, headers, key } = this.#options
    const { id, body } = prepared!
    const bytes = Buffer.from(body)
    let answer: HttpAnswer
    try {
      answer = await this.#client!.send({
        method,
        headers: {
          ...this.#ownHeaders(id),
          ...headers.headers,
          ...(key && webhookHeaders(key, { id, body, at: new Date() })),
          'content-length': String(bytes.length),
        },
        body: bytes,
        signal,
      })
    } catch (error) {
      signal.throwIfAborted()
      const { code, message } = error as NodeJS.ErrnoException
      throw new ActionFailure('unavailable', code ?? 'ENETWORK', boundedMessage(message || String(code)), {
        cause: error,
      })
    }
    if (answer.status < 200 || answer.status > 299) throw statusFailure(answer, this.#secrets)
  }

  async close(): Promise<void> {
    this.#client?.close()
    this.#client = undefined
  }

  #ownHeaders(id: string): Readonly<Record<string, string>> {
    return {
      'content-type': 'application/json',
      'user-agent': 'backstory',
      'idempotency-key': id,
      'backstory-replay': this.#options.runId,
    }
  }
}

/** @param secrets - Of the request, which a server may have said back. */
function statusFailure({ status, header, text }: HttpAnswer, secrets: Secrets): ActionFailure {
  const waitMs = retryAfterMs(header('retry-after'))
  const location = header('location')
  const redirect = status >= 300 && status < 400 && location !== undefined
  const told = redirect
    ? `it leads to ${secrets.hide(locationOf(location))}, and redirects are not followed`
    : boundedMessage(secrets.hide(text))
  const message = told === '' ? `status ${status}` : `status ${status}: ${told}`
  return new ActionFailure(kindOf(status, waitMs), String(status), message, { retryAfterMs: waitMs })
}

function locationOf(location: string): string {
  return URL.canParse(location) ? shownUrl(new URL(location)) : boundedMessage(location)
}

/** A service that says when to come back is not away. */
function kindOf(status: number, waitMs: number | undefined): FailureKind {
  if (status === 429 || (status === 503 && waitMs !== undefined)) return 'throttled'
  return status >= 500 || status === 408 || status === 425 ? 'unavailable' : 'refused'
}

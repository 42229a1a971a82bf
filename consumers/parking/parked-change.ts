/** An edited event: the message that a retry gives to the handler in place of the one that was published. */
import type { Headers, HeaderValue, Message } from '../../events/index.ts'

export interface ParkedChange {
  /** Written as JSON. */
  readonly data?: unknown
  /** In place of `data`: the bytes. */
  readonly body?: Buffer
  /** Default with `data`: JSON, unless the event's is a kind of JSON already. */
  readonly contentType?: string
  /** More headers, or others in place of those of the name; `ce-` names are the event's own. */
  readonly headers?: Headers
}

const bodyBytesMax = 128 * 1_024 * 1_024
const jsonType = /^application\/(?:[^;]+\+)?json\b/i

/** @throws TypeError for a change that is none, or cannot be a message. */
export function changeMessage(message: Message, change: ParkedChange): Message {
  const { properties } = message
  const { headers } = change
  for (const [name, value] of Object.entries(headers ?? {})) requireHeader(name, value)
  if (change.data !== undefined && change.body !== undefined)
    throw new TypeError('Expected `data` or `body`, not both')
  const body = bodyOf(change)
  if (body === undefined && change.contentType === undefined && headers === undefined)
    throw new TypeError('Expected `data`, `body`, `contentType` or `headers` to edit the event with')
  if (body !== undefined && body.length > bodyBytesMax)
    throw new TypeError(`Expected a body of at most ${bodyBytesMax} bytes, got ${body.length}`)
  const isJson = jsonType.test(properties.contentType ?? '')
  const contentType =
    change.contentType ?? (change.data !== undefined && !isJson ? 'application/json' : properties.contentType)
  return {
    ...message,
    properties: {
      ...properties,
      ...(contentType !== undefined && { contentType }),
      ...(headers !== undefined && { headers: { ...properties.headers, ...headers } }),
    },
    body: body ?? message.body,
  }
}

function bodyOf({ data, body }: ParkedChange): Buffer | undefined {
  if (data === undefined) return body
  const json: string | undefined = JSON.stringify(data)
  if (json === undefined) throw new TypeError('Expected `data` to be a JSON value')
  return Buffer.from(json)
}

/** Identity, type and subject stay what they are. */
function requireHeader(name: string, value: HeaderValue): void {
  if (name.startsWith('ce-')) throw new TypeError(`Header \`${name}\` is the event's own and stays as it is`)
  if (value === undefined) throw new TypeError(`Expected header \`${name}\` to have a value`)
}

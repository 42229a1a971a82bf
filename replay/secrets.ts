/**
 * Secrets that a service was given, and may say back in what it answers: as they were sent, decoded, or written
 * into JSON or a URL.
 */

import { isHiddenPart } from './shown-address.ts'

/** A shorter one is none, and would be cut out of other words. */
const lengthMin = 3
const hidden = '***'

export class Secrets {
  /** The longest first: one may hold another. */
  readonly #texts: readonly string[]

  constructor(values: readonly string[]) {
    const texts = new Set(values.flatMap(formsOf).filter(({ length }) => length >= lengthMin))
    this.#texts = [...texts].sort((a, b) => b.length - a.length)
  }

  hide(text: string): string {
    return this.#texts.reduce((rest, secret) => rest.replaceAll(secret, hidden), text)
  }
}

/** What of a header's value is secret: also what stands behind its scheme, and the password in that. */
export function headerSecrets(value: string): string[] {
  const [, scheme = '', credentials] = /^([\w-]+)\s+(.+)$/.exec(value) ?? []
  if (credentials === undefined) return [value]
  if (scheme.toLowerCase() !== 'basic') return [value, credentials]
  const pair = Buffer.from(credentials, 'base64').toString()
  return [value, credentials, pair, pair.slice(pair.indexOf(':') + 1)]
}

/** What of a URL `shownUrl` leaves out. */
export function urlSecrets({ username, password, pathname, search }: URL): string[] {
  const pair = `${decoded(username)}:${decoded(password)}`
  const values = search
    .slice(1)
    .split('&')
    .map((one) => one.slice(one.indexOf('=') + 1))
  return [
    ...(username + password === '' ? [] : [username, password, ...headerSecrets(`Basic ${base64(pair)}`)]),
    search.slice(1),
    ...values,
    ...pathname.split('/').filter(isHiddenPart),
  ]
}

function formsOf(value: string): string[] {
  const plain = decoded(value)
  const json = (text: string) => JSON.stringify(text).slice(1, -1)
  return [value, json(value), encodeURIComponent(value), plain, json(plain)]
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

/** As it is, where it is not encoded. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

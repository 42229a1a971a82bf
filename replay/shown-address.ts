/**
 * Addresses as they may be shown: a password may stand in each of them, also in one that is mistyped.
 *
 * What is shown may be less than is there: a message is sooner short of a word than it tells a secret.
 */

/**
 * An address of any kind, as it was typed. Of a URL user, password and the values of its query are cut; one that
 * cannot be read shows its scheme alone, since a password that is not escaped may be anywhere in it.
 */
export function shownAddress(address: string): string {
  const slashes = address.indexOf('://')
  if (slashes === -1) return withoutValues(withoutUser(address))
  const [scheme = ''] = /[a-z][a-z\d+.-]*$/i.exec(address.slice(0, slashes)) ?? []
  const before = withoutUser(address.slice(0, slashes - scheme.length))
  const url = address.slice(slashes - scheme.length)
  return `${before}${URL.canParse(url) ? shownUrl(new URL(url)) : `${scheme}://…`}`
}

/**
 * Without user and password, without the values of its query, and where it is HTTP without long parts of its path,
 * which are secrets in the URLs of many webhooks.
 */
export function shownUrl({ protocol, host, pathname, search }: URL): string {
  const isHttp = /^https?:$/.test(protocol)
  const path = pathname
    .split('/')
    .map((part) => ((isHttp ? isHiddenPart(part) : part.includes('@')) ? '…' : part))
    .join('/')
  const names = [...new Set(search.slice(1).split('&').filter(Boolean).map(shownParameter))]
  return `${protocol}//${host}${path}${names.length === 0 ? '' : `?${names.join('&')}`}`
}

/** Of the path of an HTTP URL. With an @ it may be the rest of a password that has a slash. */
export function isHiddenPart(part: string): boolean {
  return part.length >= 20 || part.includes('@')
}

/** A value may stand without its name, too. */
function shownParameter(parameter: string): string {
  const end = parameter.indexOf('=')
  return end === -1 || parameter.includes('@') ? '…' : `${parameter.slice(0, end)}=…`
}

/** `user:password@host`, also behind a scheme that lacks its slashes. */
function withoutUser(text: string): string {
  const [colon, at] = [text.indexOf(':'), text.lastIndexOf('@')]
  return colon === -1 || at < colon ? text : `${text.slice(0, colon + 1)}…${text.slice(at)}`
}

function withoutValues(text: string): string {
  return /^[a-z][a-z\d+.-]+:/i.test(text) ? text.replace(/([?&][^=&]*=)[^&]*/g, '$1…') : text
}

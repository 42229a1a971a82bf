/** Broker addresses, checked before use and shown without their password. */

/** @throws TypeError where `url` is no amqp: or amqps: URL; the message shows no password. */
export function checkUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !['amqp:', 'amqps:'].includes(parsed.protocol)) {
    throw new TypeError('Expected the broker to be a URL such as amqp://user:password@host:5672/vhost')
  }
  return url
}

/** The URL without user, password and query, for logs and messages. */
export function redactUrl(url: string): string {
  if (!URL.canParse(url)) return '(no URL)'
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`
}

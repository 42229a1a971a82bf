/**
 * A URL as it may be shown: without user and password, without the values of its query, and without long parts of
 * its path, which are secrets in the URLs of many webhooks.
 */
export function shownUrl({ protocol, host, pathname, searchParams }: URL): string {
  const path = pathname
    .split('/')
    .map((part) => (part.length < partMax ? part : '…'))
    .join('/')
  const names = [...new Set(searchParams.keys())]
  const query = names.length === 0 ? '' : `?${names.map((name) => `${name}=…`).join('&')}`
  return `${protocol}//${host}${path}${query}`
}

/** Of a path's part. */
const partMax = 20

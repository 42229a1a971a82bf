/** The version of this package. */
import { createRequire } from 'node:module'

export function packageVersion(): string {
  const require = createRequire(import.meta.url)
  return (require('backstory/package.json') as { version: string }).version
}

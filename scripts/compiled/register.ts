/** Loaded into a process before its program: `--import register.js?root=…` puts the hook in place. */
import { register } from 'node:module'
import { join } from 'node:path'
import type { Places } from './hook.ts'

const data: Places = {
  root: new URL(import.meta.url).searchParams.get('root')!,
  out: join(import.meta.dirname, '../..'),
}
// The compiled one: nothing in this process reads TypeScript yet.
register('./hook.js', { parentURL: import.meta.url, data })
process.setSourceMapsEnabled(true)

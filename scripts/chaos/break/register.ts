/** Loaded into a process before its program: `--import register.ts?swaps=…` puts the hook in place. */
import { register } from 'node:module'

const swaps: unknown = JSON.parse(new URL(import.meta.url).searchParams.get('swaps')!)
register('./hook.ts', { parentURL: import.meta.url, data: swaps })

/** Packages of peers that the project itself does not need: they are installed on their own. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** What to do where they are not installed; else undefined. */
export function missingPeers(): string | undefined {
  return existsSync(join(import.meta.dirname, 'node_modules'))
    ? undefined
    : 'install it: npm ci --prefix scripts/bench/peers'
}

/** By a name that the compiler does not look up. */
export async function loadPeer<Module>(name: string): Promise<Module> {
  return (await import(name)) as Module
}

/** This program: its Node.js, and the drivers that what was named takes. */
import { type Check, type Finding, fail, ok, warn } from './examination.ts'

/** As package.json's `engines` has it. */
const nodeMin = [20, 19] as const

export interface Driver {
  readonly name: string
  readonly isNeeded: boolean
  /** Rejects where it is missing, or does not load. */
  load(): Promise<unknown>
}

export function programCheck({ version, drivers }: { version: string; drivers: readonly Driver[] }): Check {
  return {
    name: 'program',
    run: async () => [nodeFinding(version), ...(await Promise.all(drivers.map(driverFinding)))],
  }
}

function nodeFinding(version: string): Finding {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  const [majorMin, minorMin] = nodeMin
  return major > majorMin || (major === majorMin && minor >= minorMin)
    ? ok(`Node.js ${version}`)
    : fail(`Node.js ${version} is too old: install ${nodeMin.join('.')} or later`)
}

async function driverFinding({ name, isNeeded, load }: Driver): Promise<Finding> {
  try {
    await load()
    return ok(`${name} loads`)
  } catch (error) {
    const why = (error as Error).message.split('\n', 1)[0]
    const message = `${name} does not load (${why}): npm install ${name}`
    return isNeeded ? fail(message) : warn(`${message}, should you need it`)
  }
}

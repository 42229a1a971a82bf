/** Loads the library of a service that a source or an action needs, when it is opened: nobody needs them all. */
import { ReplayError } from './errors.ts'

/**
 * @param options.load - Imports it; here, so that the name stands where it is looked for.
 * @throws ReplayError `REPLAY_DRIVER_MISSING` where it is not installed. Whatever else `load` throws.
 */
export async function loadDriver<Driver>(
  name: string,
  { what, load }: { readonly what: string; readonly load: () => Promise<Driver> },
): Promise<Driver> {
  try {
    return await load()
  } catch (cause) {
    if (!isMissing(cause, name)) throw cause
    throw new ReplayError('REPLAY_DRIVER_MISSING', `${what} needs the package ${name}: npm install ${name}`, {
      cause,
    })
  }
}

/** The package itself, not something that it needs. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException
  return code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${name}'`)
}

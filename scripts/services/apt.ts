/**
 * Installs a package with apt on Debian and Ubuntu, as root, without starting a server as the system's own.
 *
 * Debian starts a service when it is installed, unless a policy file forbids it. Ours is put there for
 * the time of the installation by the shell that runs it, and removed by that shell however it ends: a
 * policy left behind would keep every later service of the machine from starting.
 */
import { existsSync } from 'node:fs'
import { isDebian, type System, thisSystem } from './advice.ts'
import { ServiceError } from './errors.ts'
import { run } from './run.ts'

const installScript = `
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM PIPE
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
apt-get update -o DPkg::Lock::Timeout=300
apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$1"
`

/** Whether this process may install packages with apt. */
export function mayInstallByApt(system: System = thisSystem()): boolean {
  return isDebian(system) && system.isRoot && existsSync('/usr/bin/apt-get')
}

/** The packages that may be installed. */
export type AptPackage =
  | 'curl'
  | 'debootstrap'
  | 'jq'
  | 'mariadb-server'
  | 'openssl'
  | 'postgresql'
  | 'python3-pika'
  | 'rabbitmq-server'
  | 'sqlite3'

/**
 * Resolves when the package is installed; a minute or two.
 *
 * @param options.say - Gets apt's progress, a line a step.
 * @throws ServiceError `SERVICE_INSTALL_FAILED` with the end of apt's output.
 */
export async function installByApt(
  name: AptPackage,
  { say }: { say: (line: string) => void },
): Promise<void> {
  const { code, output } = await run('/bin/sh', ['-c', installScript, 'backstory-apt', name], {
    env: { DEBIAN_FRONTEND: 'noninteractive' },
    onLine: (line) => {
      if (isProgress(line)) say(`  ${line.trim()}`)
    },
  })
  if (code === 0) return
  const tail = output.split('\n').slice(-15).join('\n')
  throw new ServiceError('SERVICE_INSTALL_FAILED', `apt-get could not install ${name}:\n${tail}`)
}

function isProgress(line: string): boolean {
  return /^(Get:|Need to get |Setting up |E: |W: )/.test(line)
}

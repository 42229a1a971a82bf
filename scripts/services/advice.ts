/** What to type where no broker could be found or started, for the system at hand. */
import { readFileSync } from 'node:fs'

export interface System {
  readonly platform: NodeJS.Platform
  /** `ID` and `ID_LIKE` of /etc/os-release. */
  readonly distributions: readonly string[]
  readonly isRoot: boolean
}

export function thisSystem(): System {
  return {
    platform: process.platform,
    distributions: distributionsOf(readOsRelease()),
    isRoot: process.getuid?.() === 0,
  }
}

/** The lines to show, each command on a line of its own. */
export function installAdvice(system: System = thisSystem()): string {
  const install = installCommands(system)
  return [
    ...(install.length === 0 ? [] : ['Install RabbitMQ, then run the command again:', ...indented(install)]),
    ...(system.platform === 'win32' ? ['and name it:', ...indented([named(system)])] : []),
    `${install.length === 0 ? 'Run' : 'Or run'} it in Docker, and name it:`,
    ...indented(['docker run -d --name rabbitmq -p 127.0.0.1:5672:5672 rabbitmq:4', named(system)]),
    'Or name one that runs elsewhere:',
    ...indented([named(system, 'amqp://user:password@host:5672')]),
  ].join('\n')
}

/** The same for PostgreSQL's server, which only tests and `bench` start. */
export function postgresAdvice(system: System = thisSystem()): string {
  const sudo = system.isRoot ? '' : 'sudo '
  return [
    ...(isDebian(system)
      ? ['Install it:', ...indented([`${sudo}apt-get install -y postgresql`])]
      : ['Install PostgreSQL 13 or later with its server, as your system has it.']),
    'Or name one that runs, with a user that may make databases:',
    ...indented(['export BACKSTORY_TEST_POSTGRES=postgres://user:password@host:5432/postgres']),
  ].join('\n')
}

/** The same for MariaDB's server, which only tests start. */
export function mariadbAdvice(system: System = thisSystem()): string {
  const sudo = system.isRoot ? '' : 'sudo '
  return [
    ...(isDebian(system)
      ? ['Install it:', ...indented([`${sudo}apt-get install -y mariadb-server`])]
      : ['Install MariaDB with its server, as your system has it.']),
    'Or name one that runs, with a user that may make databases:',
    ...indented(['export BACKSTORY_TEST_MARIADB=mysql://user:password@host:3306']),
  ].join('\n')
}

export function isDebian({ platform, distributions }: System): boolean {
  return platform === 'linux' && distributions.some((name) => name === 'debian' || name === 'ubuntu')
}

function installCommands(system: System): string[] {
  const { platform, distributions } = system
  const sudo = system.isRoot ? '' : 'sudo '
  if (platform === 'darwin') return ['brew install rabbitmq']
  if (platform === 'win32') return ['choco install rabbitmq']
  if (isDebian(system)) return [`${sudo}apt-get update`, `${sudo}apt-get install -y rabbitmq-server`]
  if (distributions.some((name) => ['fedora', 'rhel', 'centos'].includes(name))) {
    return [`${sudo}dnf install -y rabbitmq-server`]
  }
  return []
}

function named({ platform }: System, url = 'amqp://guest:guest@localhost:5672'): string {
  return platform === 'win32' ? `$env:BACKSTORY_BROKER = '${url}'` : `export BACKSTORY_BROKER=${url}`
}

function indented(commands: readonly string[]): string[] {
  return commands.map((command) => `    ${command}`)
}

export function distributionsOf(osRelease: string): string[] {
  const values = [...osRelease.matchAll(/^(?:ID|ID_LIKE)="?([^"\n]*)"?$/gm)]
  return values.flatMap(([, names = '']) => names.split(' '))
}

function readOsRelease(): string {
  try {
    return readFileSync('/etc/os-release', 'utf8')
  } catch {
    return ''
  }
}

/** The machine and the programs that the figures belong to. */
import { arch, cpus, release, totalmem, type } from 'node:os'
import Database from 'better-sqlite3'
import type { Broker } from '../../broker/index.ts'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly node: string
  readonly rabbitmq: string
  readonly sqlite: string
}

export async function describeMachine(broker: Broker): Promise<Machine> {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()} ${arch()}`,
    node: process.versions.node,
    rabbitmq: await rabbitmqVersion(broker),
    sqlite: sqliteVersion(),
  }
}

async function rabbitmqVersion(broker: Broker): Promise<string> {
  const channel = await broker.openChannel()
  try {
    const { serverProperties } = channel.raw.connection
    return String(serverProperties.version)
  } finally {
    await channel.close()
  }
}

function sqliteVersion(): string {
  const database = new Database(':memory:')
  try {
    return database.prepare('SELECT sqlite_version()').pluck().get() as string
  } finally {
    database.close()
  }
}

/** The clock of a PostgreSQL server. */
import { clockFinding } from './clock.ts'
import type { Check } from './examination.ts'

export function postgresClockCheck({ url, shown }: { url: string; shown: string }): Check {
  return {
    name: `clock of ${shown}`,
    async run(signal) {
      const { cutPostgres, openPostgres } = await import('../../../history/index.ts')
      const client = await openPostgres(url, { name: 'backstory doctor' })
      signal.addEventListener('abort', () => cutPostgres(client))
      try {
        const askedAt = Date.now()
        const { rows } = await client.query<{ ms: number }>(
          'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms',
        )
        const ours = (askedAt + Date.now()) / 2
        return [clockFinding('this server', rows[0]!.ms - ours)]
      } finally {
        cutPostgres(client)
      }
    },
  }
}

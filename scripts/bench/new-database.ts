/** A database of the bench's own on a PostgreSQL server that goes with the row. */
import { openPostgres } from '../../history/index.ts'

/** @returns Its URL. */
export async function newDatabase(server: string, name: string): Promise<string> {
  const client = await openPostgres(server, { name: 'backstory bench' })
  await client.query(`CREATE DATABASE ${name}`)
  await client.end()
  const url = new URL(server)
  url.pathname = `/${name}`
  return url.href
}

/** A history of events with sequences, to be changed behind the back of everybody. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { attributesOf, sequenceHeader, sequenceText, toMessage } from '../../events/index.ts'
import { openHistory, openHistoryWriter } from '../open-history.ts'
import { openSqlite, type SqliteDatabase } from '../sqlite/sqlite.ts'
import type { NewEvent } from '../writer.ts'
import { auditHistory, type HistoryAudit, type HistoryAuditOptions } from './history-audit.ts'

/** An event of `source` with this number, or without one. */
export interface Published {
  readonly source?: string
  readonly epoch?: string
  readonly sequence?: number
  readonly id?: string
}

export interface SequencedHistory {
  readonly path: string
  record(events: readonly Published[], options?: { batch?: number }): Promise<void>
  tamper(change: (database: SqliteDatabase) => void): Promise<void>
  audit(options?: HistoryAuditOptions): Promise<HistoryAudit>
}

export function sequencedHistory(t: TestContext): SequencedHistory {
  const folder = mkdtempSync(join(tmpdir(), 'backstory-audit-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'history.db')
  return {
    path,
    async record(events, { batch = 7 } = {}) {
      const writer = await openHistoryWriter({ history: path, exchange: 'orders' })
      for (let from = 0; from < events.length; from += batch) {
        await writer.append({ events: events.slice(from, from + batch).map(newEvent), fences: [] })
      }
      await writer.close()
    },
    async tamper(change) {
      const database = await openSqlite(path)
      change(database)
      database.close()
    },
    async audit(options) {
      const reader = openHistory({ history: path })
      try {
        return await auditHistory(reader, options)
      } finally {
        await reader.close()
      }
    },
  }
}

/** Numbers 1 to `count` of a source and epoch. */
export function inOrder(count: number, { source = '/sales', epoch = '0a' } = {}): Published[] {
  return Array.from({ length: count }, (_, index) => ({ source, epoch, sequence: index + 1 }))
}

function newEvent({ source = '/sales', epoch = '0a', sequence, id }: Published): NewEvent {
  const message = toMessage({ type: 'order.placed', id, data: {} }, { exchange: 'orders', source })
  if (sequence === undefined) return { ...attributesOf(message), message }
  const headers = { ...message.properties.headers, [sequenceHeader]: sequenceText(epoch, sequence) }
  return { ...attributesOf(message), message: { ...message, properties: { ...message.properties, headers } } }
}

/**
 * A strict SQL Server in memory, behind the interface of the package mssql: it takes the statements that the
 * storage action is to send, letter by letter, and refuses any other; checks that each parameter is declared,
 * used, and of a type that fits its value; converts texts to what a column is as the server does, with its
 * error numbers; and lets nothing happen outside of a transaction but a SELECT.
 */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ColumnKind, TableShape } from './sql-storage.contract.ts'
import type { SqlServerDriver } from './sqlserver.ts'

type Cell = string | null
type Rows = Map<string, Cell>[]

interface StubTable {
  readonly shape: TableShape
  rows: Rows
}

/** The types of parameters: the driver's own are functions too. */
const types = {
  NVarChar: (length: number) => ({ type: 'NVarChar', length }),
  VarBinary: (length: number) => ({ type: 'VarBinary', length }),
  MAX: 65_535,
}

interface Parameter {
  readonly type: string
  readonly length: number
  readonly value: string | Buffer | null
}

export class SqlServerStub {
  readonly tables = new Map<string, StubTable>()
  /** Thrown by the next request, or commit, instead of doing it. */
  next: { readonly at: 'connect' | 'request' | 'commit'; readonly error: object } | undefined
  /** How often what happened. */
  readonly calls = { begin: 0, commit: 0, rollback: 0, request: 0, connect: 0 }
  /** As it was given to connect with. */
  config: Readonly<Record<string, unknown>> | undefined
  #open: Map<string, Rows> | undefined
  #waiting: Promise<void> = Promise.resolve()
  #leave = () => {}

  get driver(): SqlServerDriver {
    const stub = this
    class ConnectionPool extends EventEmitter {
      isConnected = false
      constructor(config: Record<string, unknown>) {
        super()
        stub.config = config
      }
      async connect() {
        stub.calls.connect += 1
        stub.fail('connect')
        this.isConnected = true
        return this
      }
      async close() {
        this.isConnected = false
      }
    }
    class Transaction {
      state: 'new' | 'open' | 'ended' = 'new'
      readonly pool: ConnectionPool
      constructor(pool: ConnectionPool) {
        this.pool = pool
      }
      async begin() {
        assert.ok(this.pool.isConnected && this.state === 'new')
        await stub.begin()
        this.state = 'open'
      }
      async commit() {
        assert.equal(this.state, 'open')
        this.state = 'ended'
        stub.commit()
      }
      async rollback() {
        assert.equal(this.state, 'open')
        this.state = 'ended'
        stub.rollback()
      }
    }
    class Request {
      readonly on: Transaction | ConnectionPool
      readonly parameters = new Map<string, Parameter>()
      constructor(on: Transaction | ConnectionPool) {
        this.on = on
      }
      input(name: string, { type, length }: { type: string; length: number }, value: string | Buffer | null) {
        assert.ok(!this.parameters.has(name))
        this.parameters.set(name, { type, length, value })
      }
      async query(statement: string) {
        const inTransaction = this.on instanceof Transaction
        if (this.on instanceof Transaction) assert.equal(this.on.state, 'open')
        return { recordset: stub.request(statement, this.parameters, inTransaction) }
      }
    }
    return { ConnectionPool, Transaction, Request, ...types } as unknown as SqlServerDriver
  }

  /** One transaction at a time: the server's locks would keep them apart as well. */
  async begin(): Promise<void> {
    const before = this.#waiting
    let leave = () => {}
    this.#waiting = new Promise((resolve) => {
      leave = resolve
    })
    await before
    this.#leave = leave
    this.calls.begin += 1
    this.#open = new Map([...this.tables].map(([name, { rows }]) => [name, rows.map((row) => new Map(row))]))
  }

  commit(): void {
    this.calls.commit += 1
    const { next } = this
    // The answer of a commit may be lost after it.
    this.#open = undefined
    this.#leave()
    if (next?.at === 'commit') this.fail('commit')
  }

  rollback(): void {
    this.calls.rollback += 1
    for (const [name, rows] of this.#open!) this.tables.get(name)!.rows = rows
    this.#open = undefined
    this.#leave()
  }

  request(sql: string, parameters: ReadonlyMap<string, Parameter>, inTransaction: boolean): object[] {
    this.calls.request += 1
    this.fail('request')
    assert.ok(parameters.size <= 2_098, `${parameters.size} parameters`)
    for (const { type, length, value } of parameters.values()) checkParameter({ type, length, value })
    const used = new Set([...sql.matchAll(/@p(\d+)/g)].map(([, at]) => `p${at}`))
    assert.deepEqual([...used].sort(), [...parameters.keys()].sort())
    const found: object[] = []
    for (const statement of sql.split(';\n')) found.push(...this.#run(statement, parameters, inTransaction))
    return found
  }

  fail(at: 'connect' | 'request' | 'commit'): void {
    const { next } = this
    if (next?.at !== at) return
    this.next = undefined
    throw Object.assign(new Error('told to'), next.error)
  }

  #run(statement: string, parameters: ReadonlyMap<string, Parameter>, inTransaction: boolean): object[] {
    const select = new RegExp(`^SELECT 1 FROM ${name} WHERE (.*)$`).exec(statement)
    if (select !== null) {
      const conditions = select[2]!.split(' AND ').map((one) => {
        const [, column, place] = new RegExp(`^EXISTS \\(SELECT ${name} INTERSECT SELECT @(p\\d+)\\)$`).exec(
          one,
        )!
        return [unquoted(column!), place!] as const
      })
      const table = this.#table(select[1]!)
      return table.rows.filter((row) => matches(row, this.#cells(table, conditions, parameters)))
    }
    assert.ok(inTransaction, statement)
    const upsert = new RegExp(
      `^UPDATE ${name} WITH \\(UPDLOCK, SERIALIZABLE\\) SET (.*) WHERE (.*); IF @@ROWCOUNT = 0 (INSERT .*)$`,
    ).exec(statement)
    if (upsert !== null) {
      const [, tableName, changes, where, insert] = upsert
      const table = this.#table(tableName!)
      const cells = this.#cells(table, assignments(changes!, ', '), parameters)
      const key = this.#cells(table, assignments(where!, ' AND '), parameters)
      const rows = table.rows.filter((row) => matches(row, key))
      if (rows.length === 0) this.#insert(insert!, parameters)
      for (const row of rows) this.#put(table, row, new Map([...row, ...cells]))
      return []
    }
    const keyOnly = new RegExp(
      `^IF NOT EXISTS \\(SELECT 1 FROM ${name} WITH \\(UPDLOCK, SERIALIZABLE\\) WHERE (.*)\\) (INSERT .*)$`,
    ).exec(statement)
    if (keyOnly !== null) {
      const table = this.#table(keyOnly[1]!)
      const key = this.#cells(table, assignments(keyOnly[2]!, ' AND '), parameters)
      if (!table.rows.some((row) => matches(row, key))) this.#insert(keyOnly[3]!, parameters)
      return []
    }
    const removal = new RegExp(`^DELETE FROM ${name} WHERE (.*)$`).exec(statement)
    if (removal !== null) {
      const table = this.#table(removal[1]!)
      const key = this.#cells(table, assignments(removal[2]!, ' AND '), parameters)
      table.rows = table.rows.filter((row) => !matches(row, key))
      return []
    }
    this.#insert(statement, parameters)
    return []
  }

  #insert(statement: string, parameters: ReadonlyMap<string, Parameter>): void {
    const found = new RegExp(`^INSERT INTO ${name} \\((.*)\\) VALUES \\(((?:@p\\d+(?:, )?)+)\\)$`).exec(
      statement,
    )
    assert.ok(found !== null, statement)
    const table = this.#table(found[1]!)
    const columns = [...found[2]!.matchAll(new RegExp(name, 'g'))].map(([quoted]) => unquoted(quoted))
    const places = found[3]!.split(', ').map((place) => place.slice(1))
    assert.equal(columns.length, places.length)
    const cells = this.#cells(
      table,
      columns.map((column, at) => [column, places[at]!] as const),
      parameters,
    )
    const all = Object.keys(table.shape.columns).map((column) => [column, cells.get(column) ?? null] as const)
    this.#put(table, undefined, new Map(all))
  }

  #put({ rows, shape }: StubTable, old: Map<string, Cell> | undefined, row: Map<string, Cell>): void {
    const { key = [], unique, notNull, positive } = shape
    for (const column of [...key, ...(notNull === undefined ? [] : [notNull])])
      if (row.get(column) === null) throw serverError(515)
    if (positive !== undefined && Number(row.get(positive)) <= 0) throw serverError(547)
    for (const columns of [key, ...(unique === undefined ? [] : [[unique]])]) {
      const same = (other: Map<string, Cell>) =>
        columns.every((column) => other.get(column) === row.get(column))
      if (columns.length > 0 && rows.some((other) => other !== old && same(other))) throw serverError(2627)
    }
    if (old === undefined) rows.push(row)
    else for (const [column, cell] of row) old.set(column, cell)
  }

  #table(quoted: string): StubTable {
    const table = this.tables.get(unquoted(quoted))
    if (table === undefined) throw serverError(208)
    return table
  }

  #cells(
    { shape }: StubTable,
    pairs: readonly (readonly [column: string, place: string])[],
    parameters: ReadonlyMap<string, Parameter>,
  ): Map<string, Cell> {
    return new Map(
      pairs.map(([column, place]) => {
        const kind = shape.columns[column]
        if (kind === undefined) throw serverError(207)
        return [column, cellOf(parameters.get(place)!, kind)]
      }),
    )
  }
}

/** A quoted name. */
const name = '(\\[(?:[^\\]]|\\]\\])*\\])'

function unquoted(quoted: string): string {
  return quoted.slice(1, -1).replaceAll(']]', ']')
}

function assignments(text: string, separator: string): (readonly [string, string])[] {
  const pairs = [...text.matchAll(new RegExp(`${name} = @(p\\d+)`, 'g'))]
  assert.equal(pairs.map(([all]) => all).join(separator), text)
  return pairs.map(([, column, place]) => [unquoted(column!), place!] as const)
}

function matches(row: ReadonlyMap<string, Cell>, cells: ReadonlyMap<string, Cell>): boolean {
  return [...cells].every(([column, cell]) => row.get(column) === cell)
}

function checkParameter({ type, length, value }: Parameter): void {
  if (type === 'VarBinary') assert.ok(value === null || Buffer.isBuffer(value))
  else {
    assert.equal(type, 'NVarChar')
    assert.ok(length === 4_000 || length === types.MAX)
    assert.ok(
      value === null || (typeof value === 'string' && (length === types.MAX || value.length <= length)),
    )
  }
}

const conversions: Readonly<Record<Exclude<ColumnKind, 'bytes'>, (text: string) => string>> = {
  text(text) {
    if (text.length > 100) throw serverError(2628)
    return text
  },
  integer(text) {
    if (!/^-?\d+$/.test(text)) throw serverError(8114)
    return String(BigInt(text))
  },
  number(text) {
    if (!Number.isFinite(Number(text))) throw serverError(8114)
    return String(Number(text))
  },
  decimal(text) {
    if (!/^-?\d+(\.\d+)?$/.test(text)) throw serverError(8114)
    return text
  },
  boolean(text) {
    if (!/^[01]$/.test(text)) throw serverError(245)
    return text === '1' ? 'true' : 'false'
  },
  timestamp(text) {
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z$/.test(text)) throw serverError(241)
    return text
  },
  date(text) {
    if (!/^\d{4}-\d\d-\d\d$/.test(text)) throw serverError(241)
    return text
  },
  json: (text) => text,
}

function cellOf({ type, value }: Parameter, kind: ColumnKind): Cell {
  // From text to bytes nothing is converted, NULL neither.
  if ((kind === 'bytes') !== (type === 'VarBinary')) throw serverError(257)
  if (value === null) return null
  return typeof value === 'string'
    ? conversions[kind as keyof typeof conversions](value)
    : value.toString('hex')
}

function serverError(number: number): Error {
  return Object.assign(new Error(`error ${number} of the server`), { number, code: 'EREQUEST', class: 16 })
}

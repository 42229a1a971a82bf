/**
 * The scene of a chaos run: the broker, the processes, a network between them that can fail, and disks
 * that can be full.
 */
import { mkdirSync } from 'node:fs'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { PrivatePostgres } from '../services/private-postgres.ts'
import {
  type Cast,
  type ConsumerName,
  castOf,
  failingConsumer,
  type ProcessName,
  publishers,
  seller,
  sharedConsumer,
  sourceOf,
} from './cast.ts'
import { Child, type ProgramName } from './child.ts'
import type { ChaosCluster } from './cluster.ts'
import { Disk } from './disk.ts'
import { FaultProxy } from './proxy.ts'

export const exchange = 'chaos'

export interface SceneOptions {
  readonly cluster: ChaosCluster
  /** For the consumer that has its store there. Default: no such consumer. */
  readonly postgres: PrivatePostgres | undefined
  readonly folder: string
  /** Events a second, of each publisher. */
  readonly perSecond: number
  /** Further arguments for node in each process. */
  readonly nodeArgs: readonly string[]
}

export class Scene {
  readonly cluster: ChaosCluster
  readonly postgres: PrivatePostgres | undefined
  readonly cast: Cast
  readonly children = new Map<ProcessName, Child>()
  /** Of each process, one a node. */
  readonly #proxies = new Map<ProcessName, readonly FaultProxy[]>()
  readonly #disks = new Map<ProcessName, Disk>()
  readonly #options: SceneOptions
  readonly #logs: string
  readonly #comingUp = new Map<'nodes' | 'postgres', Promise<unknown>>()

  private constructor(options: SceneOptions) {
    this.cluster = options.cluster
    this.postgres = options.postgres
    this.cast = castOf({ postgres: options.postgres !== undefined })
    this.#options = options
    this.#logs = join(options.folder, 'logs')
    mkdirSync(this.#logs, { recursive: true })
  }

  /** Makes everything, and starts no process. */
  static async open(options: SceneOptions): Promise<Scene> {
    const scene = new Scene(options)
    await scene.#build()
    return scene
  }

  get history(): string {
    return join(this.disk('recorder').folder, 'history.db')
  }

  /** A path, or a URL. */
  store(consumer: ConsumerName): string {
    if (consumer === sharedConsumer) return this.postgres!.url
    return join(this.disk(consumer).folder, `${consumer}.db`)
  }

  get orders(): string {
    return join(this.disk(seller).folder, 'orders.db')
  }

  /** What a process keeps on its disk. */
  databaseOf(name: ProcessName): string {
    const consumer = this.cast.consumers.get(name)
    if (consumer !== undefined) return this.store(consumer)
    return name === seller ? this.orders : this.history
  }

  ledger(publisher: ProcessName): string {
    return join(this.#options.folder, `${publisher}.ledger`)
  }

  child(name: ProcessName): Child {
    return this.children.get(name)!
  }

  proxies(name: ProcessName): readonly FaultProxy[] {
    return this.#proxies.get(name)!
  }

  disk(name: ProcessName): Disk {
    return this.#disks.get(name)!
  }

  /** Waits until what was taken down before is up again, however long that takes this machine. */
  async onceUp<Outcome>(service: 'nodes' | 'postgres', fault: () => Promise<Outcome>): Promise<Outcome> {
    const before = this.#comingUp.get(service) ?? Promise.resolve()
    const up = before.then(fault)
    this.#comingUp.set(service, up)
    return await up
  }

  /**
   * Ends every process, and takes away network and disks.
   *
   * @param options.keep - Copies what is on the disks to `stores` first.
   */
  async close({ keep }: { keep: boolean }): Promise<void> {
    for (const child of this.children.values()) child.signal('SIGCONT')
    await Promise.all([...this.children.values()].map((child) => child.kill()))
    for (const proxy of [...this.#proxies.values()].flat()) proxy.close()
    const { folder } = this.#options
    if (keep) await cp(join(folder, 'disks'), join(folder, 'stores'), { recursive: true })
    for (const disk of this.#disks.values()) disk.remove()
    await rm(join(folder, 'disks'), { recursive: true, force: true })
  }

  async #build(): Promise<void> {
    const { cluster, folder } = this.#options
    const settleMs = cluster.nodes.length === 1 ? 10 : 1_000
    for (const name of this.cast.storeOwners) this.#disks.set(name, new Disk(join(folder, 'disks', name)))
    await this.#add('recorder', 'recorder', { exchange, history: this.history })
    for (const [index, name] of publishers.entries()) {
      await this.#add(name, 'publisher', {
        exchange,
        source: sourceOf(name),
        ledger: this.ledger(name),
        perSecond: this.#options.perSecond,
        resends: index === 0,
        confirmTimeoutMs: 120_000,
      })
    }
    await this.#add(seller, 'seller', {
      exchange,
      source: sourceOf(seller),
      database: this.orders,
      perSecond: this.#options.perSecond,
    })
    for (const [process, name] of this.cast.consumers) {
      await this.#add(process, 'consumer', {
        name,
        exchange,
        history: this.history,
        store: this.store(name),
        isFailing: name === failingConsumer,
        settleMs,
        // What the broker has handed out a purge cannot reach.
        prefetch: 200,
      })
    }
  }

  async #add(name: ProcessName, program: ProgramName, options: object): Promise<void> {
    const { cluster, nodeArgs } = this.#options
    const proxies = await Promise.all(cluster.nodes.map(({ url }) => FaultProxy.start(url)))
    this.#proxies.set(name, proxies)
    const resolved = { broker: proxies.map(({ url }) => url), ...options }
    this.children.set(name, new Child({ name, program, options: resolved, folder: this.#logs, nodeArgs }))
  }
}

/** What an adoption needs of where the messages are: a queue or a stream. */
import type { Broker, BrokerChannel } from '../../broker/index.ts'
import type { Logger } from '../../events/index.ts'
import type { HistoryWriter } from '../writer.ts'
import type { Cut, Intake } from './recorder-intake.ts'

export interface SourceOptions {
  readonly broker: Broker
  /** Of the queue or the stream. */
  readonly name: string
  readonly exchange: string
  /** Never comes to an end. */
  readonly follow: boolean
  readonly prefetch: number
  readonly batchMax: number
  readonly batchWaitMs: number
  readonly signal: AbortSignal
  readonly logger: Logger
}

export interface AdoptedSource {
  /** Consumes into an intake, from where the history says that it had come. */
  open(channel: BrokerChannel, writer: HistoryWriter): Promise<Intake>
  /** What is to be kept with a batch. */
  notesOf(cut: Cut): Readonly<Record<string, string>> | undefined
  /** The batch is committed. */
  committed(cut: Cut, writer: HistoryWriter): Promise<void>
  /** Whether all was taken. @param cut - Undefined in a pause. */
  isAtEnd(cut: Cut | undefined): Promise<boolean>
  /** Messages that are still to be taken, as it was last seen. */
  readonly left: number
  /** Messages that a stream had dropped before they were read, at most. */
  readonly truncated: number
}

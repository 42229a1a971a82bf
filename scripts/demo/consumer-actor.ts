/** The demo's consumer processes: production and shipping. */
import { type Certificate, type ConsumerDefinition, type ConsumerStatus, startConsumer } from '../../index.ts'
import { report } from './report.ts'

export interface ConsumerReport extends ConsumerStatus {
  readonly certificate: Certificate | undefined
}

const { module, broker, exchange, history, store } = JSON.parse(process.argv[2]!) as Record<string, string>
const { default: definition } = (await import(module!)) as { default: ConsumerDefinition }
// An exchange of the demo's own: the broker may be one that has an exchange of that name.
const consumer = await startConsumer(
  { ...definition, exchange: exchange! },
  { broker: broker!, history: history!, store: store! },
)
report(
  async (): Promise<ConsumerReport> => ({
    ...consumer.status,
    certificate: consumer.status.phase === 'live' ? await consumer.certificate() : undefined,
  }),
  () => consumer.close(),
)
await consumer.stopped

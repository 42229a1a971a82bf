/** A consumer of a chaos run: `consumer.ts '{"name": …, "exchange": …, "broker": …, "store": …}'`. */
import { isPostgresUrl } from '../../../history/index.ts'
import { type ConsumerOptions, startConsumer } from '../../../index.ts'
import { effectsConsumer, postgresEffectsConsumer } from '../effects.ts'
import { logger, programOptions, runProgram } from './program.ts'

const { name, exchange, isFailing, ...options } = programOptions<
  ConsumerOptions & { name: string; exchange: string; isFailing: boolean }
>()
const withLogger = { ...options, logger }
await runProgram(async () => {
  const consumer = isPostgresUrl(options.store)
    ? await startConsumer(postgresEffectsConsumer({ name, exchange }), withLogger)
    : await startConsumer(effectsConsumer({ name, exchange, isFailing }), withLogger)
  return { status: () => consumer.status, stop: () => consumer.close(), ended: consumer.stopped }
})

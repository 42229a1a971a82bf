/** A consumer of a chaos run: `consumer.ts '{"name": …, "exchange": …, "broker": …, "store": …}'`. */
import { type ConsumerOptions, startConsumer } from '../../../index.ts'
import { effectsConsumer } from '../effects.ts'
import { logger, programOptions, runProgram } from './program.ts'

const { name, exchange, isFailing, ...options } = programOptions<
  ConsumerOptions & { name: string; exchange: string; isFailing: boolean }
>()
await runProgram(async () => {
  const consumer = await startConsumer(effectsConsumer({ name, exchange, isFailing }), { ...options, logger })
  return { status: () => consumer.status, stop: () => consumer.close(), ended: consumer.stopped }
})

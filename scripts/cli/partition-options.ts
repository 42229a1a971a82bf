/** What parts an exchange: all partitions in this process, or one of them. */
import { usageError } from './errors.ts'

const hint = 'backstory record --help'

export const partitionsOption = {
  type: 'integer',
  min: 2,
  max: 64,
  describe: 'How many partitions the exchange is parted into, by routing key: chosen once',
} as const

export const partitionOptions = {
  partitions: partitionsOption,
  partition: {
    type: 'text',
    value: 'NUMBER/OF',
    describe: 'One of the partitions, as in 2/4; the others are declared, and run elsewhere',
  },
} as const

/**
 * Which exchanges are recorded, and where: one, or one for each partition.
 *
 * @param exchange.history - Where the history would be if the exchange were not parted.
 * @throws CliError `CLI_USAGE`.
 */
export async function recordedPlaces(
  { partitions, partition }: { partitions: number | undefined; partition: string | undefined },
  { exchange, history }: { exchange: string; history: string },
): Promise<{ exchange: string; history: string }[]> {
  if (partitions === undefined && partition === undefined) return [{ exchange, history }]
  if (partitions !== undefined && partition !== undefined)
    throw usageError('--partitions runs all, and --partition one: name one of the two', { hint })
  const [number, of] = partition === undefined ? [undefined, partitions!] : parsed(partition)
  const { partitionExchangesOf } = await import('../../broker/index.ts')
  const { partitionHistory } = await import('../../history/index.ts')
  return partitionExchangesOf(exchange, of)
    .map((name, index) => ({ exchange: name, history: partitionHistory(history, index + 1) }))
    .filter((_place, index) => number === undefined || number === index + 1)
}

function parsed(typed: string): [number, number] {
  const [, number, of] = /^([1-9]\d?)\/([1-9]\d?)$/.exec(typed) ?? []
  const isOne = Number(of) >= partitionsOption.min && Number(of) <= partitionsOption.max
  if (isOne && Number(number) <= Number(of)) return [Number(number), Number(of)]
  throw usageError(`--partition is which of how many, such as 2/4, and at most 64/64; not ${typed}`, { hint })
}

/**
 * The demo: the whole story on this machine in under a minute. `npm run demo -- --help` tells more.
 */
import { createReadStream } from 'node:fs'
import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import yargs from 'yargs'
import { connectBroker, deleteTopology } from '../index.ts'
import { Narrator } from './demo/narrator.ts'
import { type Outcome, playStory } from './demo/story.ts'
import { findBroker } from './services/find-broker.ts'

const defaultBook = fileURLToPath(new URL('../edison/orders.jsonl', import.meta.url))

async function main(args: string[]): Promise<number> {
  const options = await yargs(args)
    .scriptName('npm run demo --')
    .usage(
      '$0 [options]\n\nTells the whole story on real processes: sell, record, join late, be killed, compare.',
    )
    .option('orders', {
      type: 'string',
      default: defaultBook,
      describe: 'Order book in JSON Lines',
      requiresArg: true,
    })
    .option('json', {
      type: 'boolean',
      default: false,
      describe: 'The outcome as the last line on stdout; the story goes to stderr',
    })
    .option('keep', {
      type: 'boolean',
      default: false,
      describe: 'Keep the databases, and say where they are',
    })
    .example('$0 --orders my-orders.jsonl', 'Another order book of the same form')
    .epilogue(
      'Exit codes: 0 all agree, 1 something differs or went wrong, 2 wrong usage.\nBACKSTORY_BROKER names a RabbitMQ to use; without it one is found or started.',
    )
    .strict()
    .version(false)
    .exitProcess(false)
    .fail((message, error) => {
      throw new UsageError(message ?? error.message)
    })
    .parse()
  if (options.help === true) return 0
  const narrator = new Narrator(options.json ? process.stderr : process.stdout)
  const outcome = await perform(resolve(options.orders), { narrator, keep: options.keep })
  if (options.json) process.stdout.write(`${JSON.stringify(outcome)}\n`)
  return outcome.ok ? 0 : 1
}

class UsageError extends Error {}

async function perform(
  book: string,
  { narrator, keep }: { narrator: Narrator; keep: boolean },
): Promise<Outcome> {
  const startedAt = performance.now()
  const lines = await countLines(book)
  narrator.step('A RabbitMQ')
  const broker = await findBroker({ url: process.env.BACKSTORY_BROKER, say: (line) => narrator.say(line) })
  const folder = await mkdtemp(join(tmpdir(), 'backstory-demo-'))
  const exchange = `edison.orders.${Date.now().toString(36)}`
  try {
    const outcome = await playStory({ broker: broker.url, exchange, folder, book, lines, narrator })
    const seconds = Math.round((performance.now() - startedAt) / 1_000)
    narrator.verdict(
      outcome.ok,
      outcome.ok
        ? `All agree: nothing missed, nothing twice, after ${seconds} s.`
        : 'They do not agree: see above.',
    )
    return outcome
  } finally {
    if (broker.how === 'given') await cleanUp(broker.url, exchange)
    await broker.close()
    if (keep) narrator.say(`The databases are in ${folder}`)
    else await rm(folder, { recursive: true, force: true })
  }
}

/** A broker that was there before is left as it was. */
async function cleanUp(url: string, exchange: string): Promise<void> {
  const broker = connectBroker({ url })
  await deleteTopology(broker, { exchange, consumers: ['production', 'shipping'] }).finally(() =>
    broker.close(),
  )
}

async function countLines(book: string): Promise<number> {
  await access(book).catch((cause: unknown) => {
    throw Object.assign(new Error(`There is no order book at ${book}; name one with --orders`, { cause }), {
      code: 'BOOK_NOT_FOUND',
    })
  })
  let lines = 0
  let last = newline
  for await (const chunk of createReadStream(book)) {
    for (const byte of chunk as Buffer) if (byte === newline) lines += 1
    last = (chunk as Buffer).at(-1) ?? last
  }
  return last === newline ? lines : lines + 1
}

const newline = 0x0a

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException
  if (error instanceof UsageError) process.stderr.write(`${message}\nTry --help.\n`)
  // A mistake of ours has no code: only that deserves a stack.
  else process.stderr.write(`${code === undefined ? (error as Error).stack : `${code}: ${message}`}\n`)
  process.exitCode = error instanceof UsageError ? 2 : 1
}

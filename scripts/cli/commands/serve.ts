/** `backstory serve`: histories over HTTP. */
import { readFile } from 'node:fs/promises'
import type { Cli } from '../cli.ts'
import { defineCommand, historyOption } from '../command.ts'
import { CliError, exitCodes, usageError } from '../errors.ts'
import { openReader } from '../open-history.ts'
import { shutdownOption } from '../shutdown-option.ts'

export const serveCommand = defineCommand({
  name: 'serve',
  summary: 'Serve a history over HTTP, for consumers on other hosts and in other languages',
  positionals: {},
  options: {
    history: { ...historyOption, type: 'texts', describe: 'A history; may be given several times' },
    port: { type: 'integer', min: 0, max: 65_535, default: 9_480, describe: 'The port; 0 takes a free one' },
    host: {
      type: 'text',
      value: 'HOST',
      describe: 'The address to listen at; beyond this machine it takes --tokens and TLS',
      defaultDescription: '127.0.0.1',
    },
    tokens: { type: 'text', value: 'FILE', describe: 'Who may read: a line `name:token` each' },
    'tls-cert': { type: 'text', value: 'FILE', describe: 'The certificate, PEM' },
    'tls-key': { type: 'text', value: 'FILE', describe: 'Its key, PEM' },
    'behind-tls-proxy': { type: 'flag', describe: 'A proxy in front of it does TLS' },
    'connections-max': { type: 'integer', min: 1, describe: 'Connections at once', default: 256 },
    'streams-max': { type: 'integer', min: 1, describe: 'Streams of events at once', default: 100 },
    'shutdown-timeout': shutdownOption,
  },
  examples: [
    ['serve', 'The history that the settings name, on this machine alone'],
    ['serve --history orders.db --history invoices.db', 'Several exchanges'],
    ['serve --host 0.0.0.0 --tokens tokens --tls-cert feed.crt --tls-key feed.key', 'For other hosts'],
  ],
  async run({ history, port, host, tokens, ...rest }, cli) {
    const { 'tls-cert': cert, 'tls-key': key, 'behind-tls-proxy': behindTlsProxy } = rest
    if ((cert === undefined) !== (key === undefined)) {
      throw usageError('--tls-cert and --tls-key go together', { hint: 'backstory serve --help' })
    }
    const drainMs = rest['shutdown-timeout'] * 1_000
    const signal = cli.stopSignal({ timeoutMs: drainMs })
    const { serveFeed } = await import('../../../history/index.ts')
    const named = history.length === 0 ? [undefined] : history
    const histories = await Promise.all(named.map((option) => openReader(cli, { history: option })))
    try {
      const feed = await serveFeed({
        histories,
        port,
        host,
        tokenFile: tokens && cli.path(tokens),
        tls: cert && key ? { cert: await readPem(cli, cert), key: await readPem(cli, key) } : undefined,
        behindTlsProxy,
        limits: { connectionsMax: rest['connections-max'], streamsMax: rest['streams-max'] },
        logger: cli.logger,
      })
      cli.say(`Serving ${feed.url}/exchanges`)
      await aborted(signal)
      // Before the time is over that the command itself has to end.
      await feed.close({ drainMs: drainMs * 0.9 })
    } finally {
      for (const reader of histories) await reader.close()
    }
    return exitCodes.ok
  },
})

async function readPem(cli: Cli, typed: string): Promise<Buffer> {
  try {
    return await readFile(cli.path(typed))
  } catch (cause) {
    throw new CliError('CLI_FILE_UNREADABLE', `${typed} cannot be read: ${(cause as Error).message}`, {
      cause,
    })
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}

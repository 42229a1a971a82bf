/** `backstory serve`: histories over HTTP. */
import { readFile } from 'node:fs/promises'
import { defineCommand, historyOption } from '../command.ts'
import { exitCodes, usageError } from '../errors.ts'
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
    const { 'tls-cert': cert, 'tls-key': key } = rest
    if ((cert === undefined) !== (key === undefined)) {
      throw usageError('--tls-cert and --tls-key go together', { hint: 'backstory serve --help' })
    }
    const named = history.length === 0 ? [undefined] : history
    const histories = await Promise.all(named.map(async (option) => (await cli.history(option)).value))
    const signal = cli.stopSignal({ timeoutMs: rest['shutdown-timeout'] * 1_000 })
    const { serveFeed } = await import('../../../history/index.ts')
    const feed = await serveFeed({
      histories,
      port,
      host,
      tokenFile: tokens === undefined ? undefined : cli.path(tokens),
      tls:
        cert === undefined
          ? undefined
          : { cert: await readFile(cli.path(cert)), key: await readFile(cli.path(key!)) },
      behindTlsProxy: rest['behind-tls-proxy'],
      limits: { connectionsMax: rest['connections-max'], streamsMax: rest['streams-max'] },
      logger: cli.logger,
    })
    cli.say(`Serving ${feed.url}/exchanges`)
    await aborted(signal)
    await feed.close({ drainMs: rest['shutdown-timeout'] * 500 })
    return exitCodes.ok
  },
})

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}

/** A connection to the broker that the settings name, up before the command begins its work. */
import type { Broker } from '../../broker/index.ts'
import type { Cli } from './cli.ts'
import { usageError } from './errors.ts'

export interface OpenBrokerOptions {
  /** As typed. */
  readonly broker: string | undefined
  /** Seconds; undefined waits for ever. */
  readonly waitBroker: number | undefined
  /** Shown in RabbitMQ's list of connections. */
  readonly name: string
}

/**
 * Connects; while the broker does not answer, that is told now and then, and tried again.
 *
 * @throws BrokerError `BROKER_UNREACHABLE` after `waitBroker`; `BROKER_ACCESS_REFUSED`. CliError
 *   `CLI_USAGE` for what is no broker URL. The `Interrupted` of the command's stop signal.
 */
export async function openBroker(cli: Cli, { broker, waitBroker, name }: OpenBrokerOptions): Promise<Broker> {
  const { value: url, origin } = await cli.broker(broker)
  const { connectBroker } = await import('../../broker/index.ts')
  const connection = callersMistake(() => connectBroker({ url, name, logger: cli.logger }))
  const signal = cli.stopSignal()
  const stop = () => void connection.close()
  signal.addEventListener('abort', stop)
  const hint = setTimeout(() => {
    if (origin === 'default') cli.say('Start one with `backstory up`, or name another with --broker')
  }, hintMs)
  try {
    signal.throwIfAborted()
    await connection.connected({
      timeoutMs: waitBroker === undefined ? undefined : Math.min(waitBroker * 1_000, timeoutMsMax),
    })
    return connection
  } catch (error) {
    await connection.close()
    signal.throwIfAborted()
    throw error
  } finally {
    clearTimeout(hint)
    signal.removeEventListener('abort', stop)
  }
}

const hintMs = 2_000
/** A timer's longest. */
const timeoutMsMax = 2 ** 31 - 1

/** The toolkit throws a TypeError for an option that it cannot take: here, one that was typed. */
function callersMistake<Result>(call: () => Result): Result {
  try {
    return call()
  } catch (error) {
    if (error instanceof TypeError) throw usageError(error.message)
    throw error
  }
}

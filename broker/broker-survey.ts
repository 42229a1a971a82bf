/** What there is to say of a broker itself: its version, and by the management API its nodes. */
import type { Broker } from './connection.ts'
import type { ManagedNode } from './management.ts'
import { managementOf } from './topology-survey.ts'
import { versionOf } from './version.ts'

export interface BrokerSurvey {
  /** Undefined where the broker does not say that it is RabbitMQ, nor which. */
  readonly version: string | undefined
  /** Undefined without the management API, as what follows. */
  readonly nodes: readonly ManagedNode[] | undefined
  /** What RabbitMQ will drop; undefined where this version does not tell. */
  readonly deprecatedInUse: readonly string[] | undefined
  /** By how much the broker's clock is ahead of ours, to about a second. */
  readonly clockAheadMs: number | undefined
}

/**
 * @param options.management - URL of the management API.
 * @throws BrokerError as `openChannel()` does, and as the management API answers.
 */
export async function surveyBroker(
  broker: Broker,
  { management: url }: { management?: string } = {},
): Promise<BrokerSurvey> {
  const version = await versionOf(broker)
  const management = managementOf(broker, url)
  return {
    version,
    nodes: await management?.nodes(),
    deprecatedInUse: await management?.deprecatedInUse(),
    clockAheadMs: management?.clockAheadMs,
  }
}

/**
 * What every action and source of AWS is told: the region, and where the service is when it is not Amazon's.
 *
 * Credentials are not among them. The SDK finds them in its own chain: environment, shared files, SSO, roles.
 */
import { isLoopback } from '../is-loopback.ts'
import type { PluginOptions } from '../options.ts'
import type { PluginContext } from '../source.ts'

export interface AwsAddress {
  /** Undefined where the SDK is to find it. */
  readonly region: string | undefined
  /** Undefined for Amazon's own. */
  readonly endpoint: string | undefined
  readonly isLocal: boolean
  /** ` at http://127.0.0.1:4566`, or nothing: behind the name of what is there. */
  readonly where: string
}

/** For a plugin's help. */
export const awsOptions = {
  region: 'AWS region; default: that of an ARN, AWS_REGION, or the profile',
  endpoint: 'URL of the service where it is not Amazon’s own; default: AWS_ENDPOINT_URL',
} as const

/**
 * @param options.service - As in `AWS_ENDPOINT_URL_DYNAMODB`.
 * @param options.arn - Of what is addressed; a name is none.
 * @throws TypeError for an endpoint that is no URL, or holds a password.
 */
export function readAwsOptions(
  options: PluginOptions,
  {
    context,
    service,
    arn,
  }: { readonly context: PluginContext; readonly service: string; readonly arn: string },
): AwsAddress {
  const region = options.text('region') ?? /^arn:[^:]+:[^:]+:([^:]+):/.exec(arn)?.[1]
  const endpoint =
    options.text('endpoint') ??
    context.setting(`AWS_ENDPOINT_URL_${service}`) ??
    context.setting('AWS_ENDPOINT_URL')
  if (endpoint === undefined) return { region, endpoint, isLocal: false, where: '' }
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol))
    throw new TypeError('Expected `endpoint` to be a URL such as http://127.0.0.1:8000')
  const { username, password, hostname, host, protocol } = new URL(endpoint)
  if (username !== '' || password !== '')
    throw new TypeError('Expected `endpoint` without a password: credentials are found by the SDK')
  return { region, endpoint, isLocal: isLoopback(hostname), where: ` at ${protocol}//${host}` }
}

/** The region that is written into events. The SDK knows more places to find one, but only once it connects. */
export function shownRegion({ region }: AwsAddress, context: PluginContext): string {
  return region ?? context.setting('AWS_REGION') ?? ''
}

/**
 * What a client of the SDK is made with. It does not try again by itself: a replay does, by kind, and counts it.
 *
 * @param options.timeoutMs - For a whole answer.
 */
export function clientConfig(
  { region, endpoint }: AwsAddress,
  { timeoutMs, maxAttempts = 1 }: { readonly timeoutMs: number; readonly maxAttempts?: number },
) {
  const agent = { keepAlive: true, maxSockets: 1_000 }
  return {
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
    maxAttempts,
    requestHandler: {
      connectionTimeout: Math.min(timeoutMs, connectMs),
      requestTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
  }
}

const connectMs = 5_000

/** What keeps an action of AWS from being opened, as an error that says what to do. */
import { ReplayError } from '../errors.ts'
import { awsFailure } from './aws-failure.ts'

/**
 * Asks a service whether what is addressed is there.
 *
 * @throws ReplayError `REPLAY_ACTION_INVALID` where it refuses, `REPLAY_ACTION_UNAVAILABLE` where it cannot be
 *   asked: no way there, no credentials, no region.
 */
export async function askService<Answer>(name: string, ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask()
  } catch (cause) {
    const { kind, code, message } = awsFailure(cause)
    if (kind === 'refused')
      throw new ReplayError('REPLAY_ACTION_INVALID', `${name} cannot be used: ${message} (${code})`, {
        cause,
      })
    throw new ReplayError(
      'REPLAY_ACTION_UNAVAILABLE',
      `${name} cannot be reached: ${hinted(code, message)}`,
      {
        cause,
      },
    )
  }
}

export function hinted(code: string, message: string): string {
  if (code === 'CredentialsProviderError')
    return `${message}. Give credentials in any way that the AWS SDK finds, such as AWS_PROFILE`
  if (/^Region is missing/.test(message)) return 'no region is known: give `region`, or set AWS_REGION'
  return `${message} (${code})`
}

/**
 * How far a source of DynamoDB has been read, as text: the key of the last item of each part that is under way.
 * Reading goes on behind a key whether or not its item is still there.
 */
import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import { ReplayError } from '../errors.ts'
import { base64, type Item } from './attribute-value.ts'
import type { Progress } from './pages.ts'

/** @param of - What was asked for: a token of anything else is foreign. */
export function writeToken(of: string, { position, begun, open }: Progress): string {
  const parts = open.map(({ part, key, left }) => ({ part, key: key && encodeKey(key), left }))
  return JSON.stringify({ of, position, begun, open: parts })
}

/** @throws ReplayError `REPLAY_CHECKPOINT_FOREIGN`. */
export function readToken(of: string, token: string): Progress {
  let read: {
    readonly of?: unknown
    readonly position: number
    readonly begun: number
    readonly open: readonly { readonly part: number; readonly key?: EncodedKey; readonly left?: number }[]
  } | null
  try {
    read = JSON.parse(token)
  } catch (cause) {
    throw foreign(cause)
  }
  if (read?.of !== of) throw foreign()
  const { position, begun, open } = read
  return {
    position,
    begun,
    open: open.map(({ part, key, left }) => ({ part, key: key && decodeKey(key), left })),
  }
}

type EncodedKey = Record<string, { S?: string; N?: string; B?: string }>

function encodeKey(key: Item): EncodedKey {
  return Object.fromEntries(
    Object.entries(key).map(([name, { S, N, B }]) => [
      name,
      B !== undefined ? { B: base64(B) } : N !== undefined ? { N } : { S: S! },
    ]),
  )
}

function decodeKey(key: EncodedKey): Item {
  return Object.fromEntries(
    Object.entries(key).map(([name, { S, N, B }]): [string, AttributeValue] => [
      name,
      B !== undefined ? { B: Buffer.from(B, 'base64') } : N !== undefined ? { N } : { S: S! },
    ]),
  )
}

function foreign(cause?: unknown): ReplayError {
  return new ReplayError(
    'REPLAY_CHECKPOINT_FOREIGN',
    'The checkpoint is of another table, index, key or number of segments: go on with those it began with',
    { cause },
  )
}

/**
 * Signatures of webhooks, as Standard Webhooks 1.0 has them: HMAC-SHA256 over `id.timestamp.body`, so that a
 * receiver knows that a body is ours, and that it was sent now.
 */
import { createHmac } from 'node:crypto'

/** A secret's fewest and most bytes. */
const keyBytes = { min: 24, max: 64 }

/**
 * The key of a secret, as it is given out: `whsec_` and base64.
 *
 * @throws TypeError for any other text; the text is in no message.
 */
export function webhookKey(secret: string): Buffer {
  const [, base64] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret.trim()) ?? []
  const key = Buffer.from(base64 ?? '', 'base64')
  if (key.length >= keyBytes.min && key.length <= keyBytes.max) return key
  throw new TypeError(
    `A webhook's secret is whsec_ and ${keyBytes.min} to ${keyBytes.max} bytes in base64: make one with node -p "'whsec_' + crypto.randomBytes(32).toString('base64')"`,
  )
}

/** @param options.at - When it is sent: each try has a signature of its own. */
export function webhookHeaders(
  key: Buffer,
  { id, body, at }: { readonly id: string; readonly body: string; readonly at: Date },
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(at.getTime() / 1_000))
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  }
}

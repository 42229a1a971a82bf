/** That what is shown to people has none of the secrets that a plugin was given. */
import assert from 'node:assert/strict'
import { inspect } from 'node:util'

export function assertNoSecret(shown: unknown, secrets: readonly string[], what: string): void {
  const text = `${JSON.stringify(shown)}\n${shown instanceof Error ? withCauses(shown) : ''}`
  for (const secret of secrets) {
    const forms = [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]
    assert.ok(!forms.some((form) => text.includes(form)), `${what} holds a secret that it was given`)
  }
}

/** The stack shows what a log would. */
function withCauses(error: Error): string {
  return inspect(error, { depth: 5 })
}

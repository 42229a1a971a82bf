/** The options that tell how to bind to an exchange that somebody else declares. */
import type { Binding } from '../../broker/index.ts'
import { usageError } from './errors.ts'

export const bindingOptions = {
  binding: {
    type: 'texts',
    value: 'KEY',
    describe: 'Bind by this routing key or pattern, to an exchange that is there; may be given several times',
  },
  'binding-headers': {
    type: 'texts',
    value: 'JSON',
    describe: 'Bind by headers, such as {"x-match":"any","region":"eu"}; may be given several times',
  },
} as const

interface Typed {
  readonly binding: readonly string[]
  readonly 'binding-headers': readonly string[]
}

/** @returns Undefined where none was given. @throws CliError `CLI_USAGE`. */
export function bindingsOf({ binding, 'binding-headers': headers }: Typed): readonly Binding[] | undefined {
  const bindings = [...binding.map((routingKey) => ({ routingKey })), ...headers.map(byHeaders)]
  return bindings.length === 0 ? undefined : bindings
}

function byHeaders(text: string): Binding {
  let table: unknown
  try {
    table = JSON.parse(text)
  } catch {
    // Told below, as any other text that is no object.
  }
  const isTable = typeof table === 'object' && table !== null && !Array.isArray(table)
  const plain = ['string', 'number', 'boolean']
  if (isTable && Object.values(table as object).every((value) => plain.includes(typeof value)))
    return { arguments: table as Required<Binding>['arguments'] }
  throw usageError(
    `--binding-headers must be a JSON object of texts, numbers and booleans, such as '{"x-match":"all"}', not ${text}`,
  )
}

/** Prints events, a line each, as their source holds them. */
import { oneLine } from '../../events/index.ts'
import type { Action, ActionPlugin, PlannedWrite } from '../action.ts'
import { PluginOptions } from '../options.ts'
import type { ReplayEvent } from '../replay-event.ts'
import type { PluginTarget } from '../source.ts'

export const action: ActionPlugin = {
  address: 'print',
  summary: 'Prints each event on standard output, as a line of JSON',
  options: {},
  create(target: PluginTarget): Action {
    new PluginOptions(target).end()
    return new PrintAction(target.context.output)
  },
}

class PrintAction implements Action<string> {
  readonly name = 'print'
  readonly isLocal = true
  readonly isIdempotent = true
  readonly batchMax = 1_000
  readonly stopsAtFailure = true
  readonly #output: { write(text: string): Promise<void> }

  constructor(output: { write(text: string): Promise<void> }) {
    this.#output = output
  }

  prepare(event: ReplayEvent): string {
    return oneLine(event.text)
  }

  describe(line: string): PlannedWrite {
    return { kind: 'text', to: 'standard output', text: line }
  }

  async open(): Promise<void> {}

  async act(lines: readonly string[]): Promise<undefined> {
    await this.#output.write(`${lines.join('\n')}\n`)
  }

  async close(): Promise<void> {}
}

/** `backstory parked discard` and `backstory parked restore`: given up, and taken back. */
import type { ParkedMark } from '../../../consumers/index.ts'
import { defineCommand, jsonOption } from '../command.ts'
import { exitCodes } from '../errors.ts'
import {
  consumerOption,
  markOptions,
  numberPositional,
  openParked,
  selectionOf,
  selectionOptions,
  storePositional,
} from '../parked-selection.ts'
import { nothingMarked, showMark } from '../parked-view.ts'

const takes = {
  positionals: { store: storePositional, number: numberPositional },
  options: { consumer: consumerOption, ...selectionOptions, ...markOptions, json: jsonOption },
} as const

function markCommand(
  method: 'discard' | 'restore',
  words: {
    summary: string
    done: string
    would: string
    examples: readonly (readonly [string, string])[]
  },
) {
  const name = `parked ${method}`
  return defineCommand({
    name,
    ...takes,
    summary: words.summary,
    examples: words.examples,
    async run({ store, number, consumer, group, subject, all, part, reason, json, ...rest }, cli) {
      const dryRun = rest['dry-run']
      const selection = selectionOf({ number, group, subject, all, part }, `backstory ${name} --help`)
      await using events = await openParked(cli, { store, consumer })
      const mark: ParkedMark = await events[method](selection, { reason, dryRun })
      await showMark(cli, mark, { json, what: dryRun ? words.would : words.done })
      if (mark.events === 0) cli.say(nothingMarked(mark))
      return mark.events === 0 ? exitCodes.checkFailed : exitCodes.ok
    },
  })
}

export const parkedDiscardCommand = markCommand('discard', {
  summary: 'Give parked events up: they are kept, and never tried; what waits behind them goes on',
  done: 'discarded',
  would: 'would be discarded',
  examples: [
    ["parked discard shipping.db 17 --reason 'a test order'", 'One event'],
    ['parked discard shipping.db --subject EC-1 --dry-run', 'What that would be of a subject'],
  ],
})

export const parkedRestoreCommand = markCommand('restore', {
  summary: 'Take discarded events back to be parked; retry them then',
  done: 'restored',
  would: 'would be restored',
  examples: [['parked restore shipping.db 17', 'One event']],
})

/**
 * Runs a schedule, and says which invariant it broke.
 */
import type { Tampering } from './consumer.fixture.ts'
import type { Schedule } from './schedule.fixture.ts'
import { type Outcome, World } from './world.fixture.ts'

export async function simulate(
  { seed, conditions, steps }: Schedule,
  tampering: Tampering = {},
): Promise<Outcome> {
  const world = new World(conditions, { seed, tampering })
  world.consumers[0]!.start()
  for (const step of steps) {
    if (!world.isOver) await world.run(step)
  }
  if (!world.isOver) await world.settle()
  return world.outcome()
}

/**
 * What every source and every action must hold, as suites of `node:test` that the author of a plugin runs on it:
 * `backstory/replay-conformance`. The built-in ones pass them too.
 */
export { type ActionCase, actionConformance } from './action-conformance.ts'
export { type SourceCase, sourceConformance } from './source-conformance.ts'

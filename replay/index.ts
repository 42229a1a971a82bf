export {
  type Action,
  ActionFailure,
  type ActionPlugin,
  type FailureKind,
  type Outcome,
  type PlannedWrite,
} from './action.ts'
export { ReplayError, type ReplayErrorCode } from './errors.ts'
export { type EventAttributes, eventAttributes } from './event-attributes.ts'
export { JsonEvent, type JsonEventSource } from './json-event.ts'
export { PluginOptions } from './options.ts'
export { type OpenedPlan, openPlan, type PlanContext } from './plan/open-plan.ts'
export { checkPlan, type Plan, type PlanAddress, parsePlan, planFingerprint } from './plan/plan.ts'
export { planSchema } from './plan/plan-schema.ts'
export { type ProgramContextOptions, programContext } from './plan/program-context.ts'
export { builtinPlugins, findPlugin, type ModuleLoader } from './plugins.ts'
export { replay } from './replay.ts'
export type { ReplayEvent } from './replay-event.ts'
export type { Checkpoints, ReplayOptions, ReplayProgress } from './replay-options.ts'
export { junitXml } from './report/junit.ts'
export type { ReplayReport } from './report/report.ts'
export { reportSchema } from './report/report-schema.ts'
export { type ReportTextOptions, reportText } from './report/text.ts'
export type { Rule } from './rule.ts'
export type { FailedEvent, FailureCause } from './run/failure-line.ts'
export type { Retries } from './run/retry-policy.ts'
export { RunFolder } from './run/run-folder.ts'
export type { CauseTally, Counts, EventMark, RuleTally } from './run/tally.ts'
export type { PluginContext, PluginTarget, Source, SourcePage, SourcePlugin, SourceSize } from './source.ts'

/** The parts of the bench by name. Each module exports `open`, which makes all that is needed before the clock may start. */

export const parts = {
  publisher: () => import('./ours/publisher.ts'),
  relay: () => import('./ours/relay.ts'),
  recorder: () => import('./ours/recorder.ts'),
  replay: () => import('./ours/replay.ts'),
  bootstrap: () => import('./ours/bootstrap.ts'),
  'bootstrap-postgres': () => import('./ours/bootstrap-postgres.ts'),
  patterns: () => import('./ours/patterns.ts'),
  'replay-json': () => import('./ours/replay-json.ts'),
  'live-consumer': () => import('./ours/live-consumer.ts'),
  'feed-server': () => import('./ours/feed-server.ts'),
  'scale-recorder': () => import('./ours/scale-recorder.ts'),
  'scale-writer': () => import('./ours/scale-writer.ts'),
  'scale-reader': () => import('./ours/scale-reader.ts'),
  'bare-publisher': () => import('./peers/bare-publisher.ts'),
  'idle-consumer': () => import('./peers/idle-consumer.ts'),
  'bare-consumer': () => import('./peers/bare-consumer.ts'),
  'plain-recorder': () => import('./peers/plain-recorder.ts'),
  'rabbitmq-stream': () => import('./peers/rabbitmq-stream.ts'),
  'stream-client': () => import('./peers/stream-client.ts'),
  jetstream: () => import('./peers/jetstream.ts'),
  'emmett-rebuild': () => import('./peers/emmett-rebuild.ts'),
  'bare-json-loop': () => import('./peers/bare-json-loop.ts'),
  jq: () => import('./peers/jq.ts'),
  'bare-loop': () => import('./peers/bare-loop.ts'),
  'bare-parse': () => import('./peers/bare-parse.ts'),
}

export type PartName = keyof typeof parts

/** What the `open` of a part takes; it travels as JSON. */
export type SetupOf<Name extends PartName> = Parameters<Awaited<ReturnType<(typeof parts)[Name]>>['open']>[0]

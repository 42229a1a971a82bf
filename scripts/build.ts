/**
 * Builds the package into dist/: what tsc makes of it, the command, and what is published as JSON.
 *
 *     npm run build
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openapi } from '../history/index.ts'
import { planSchema, reportSchema } from '../replay/index.ts'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')

const published = {
  'openapi.json': openapi,
  'replay-plan.schema.json': planSchema,
  'replay-report.schema.json': reportSchema,
}

rmSync(dist, { recursive: true, force: true })
const tsc = join(root, 'node_modules/typescript/bin/tsc')
const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
})
if (status !== 0) process.exit(status ?? 1)
chmodSync(join(dist, 'scripts/backstory.js'), 0o755)
for (const [file, value] of Object.entries(published)) {
  writeFileSync(join(dist, file), `${JSON.stringify(value, undefined, 2)}\n`)
}

/** The demo's recorder process. */
import { startRecorder } from '../../index.ts'
import { report } from './report.ts'

const { broker, exchange, history } = JSON.parse(process.argv[2]!) as Record<string, string>
const recorder = startRecorder({ broker: broker!, exchange: exchange!, history: history! })
report(
  () => recorder.status,
  () => recorder.close(),
)
await recorder.stopped

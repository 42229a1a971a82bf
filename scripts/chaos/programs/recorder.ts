/** The recorder of a chaos run: `recorder.ts '{"broker": …, "exchange": …, "history": …}'`. */
import { type RecorderOptions, startRecorder } from '../../../index.ts'
import { logger, programOptions, runProgram } from './program.ts'

const options = programOptions<RecorderOptions>()
await runProgram(async () => {
  const recorder = startRecorder({ ...options, logger })
  return { status: () => recorder.status, stop: () => recorder.close(), ended: recorder.stopped }
})

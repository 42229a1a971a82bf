/** Opens the folders that it is told, and keeps them open. */
import { RunFolder } from './run-folder.ts'

/** What nothing refers to is collected, and its lock goes with it. */
const kept: RunFolder[] = []

process.on('message', async (folder: string) => {
  try {
    kept.push(await RunFolder.open(folder))
    process.send!('open')
  } catch (error) {
    process.send!((error as { code?: string }).code ?? String(error))
  }
})
process.send!('ready')

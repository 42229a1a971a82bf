/** Opens the folders that it is told, and keeps them open. */
import { RunFolder } from './run-folder.ts'

process.on('message', async (folder: string) => {
  try {
    await RunFolder.open(folder)
    process.send!('open')
  } catch (error) {
    process.send!((error as { code?: string }).code ?? String(error))
  }
})
process.send!('ready')

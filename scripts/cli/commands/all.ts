/** Every command, in the order in which help lists them. */
import type { Command } from '../command.ts'
import { adoptCommand } from './adopt.ts'
import { auditCommand } from './audit.ts'
import { bootstrapCommand } from './bootstrap.ts'
import { completionCommand } from './completion.ts'
import { certificateCommand } from './consumers-certificate.ts'
import { statusCommand } from './consumers-status.ts'
import { doctorCommand } from './doctor.ts'
import { downCommand } from './down.ts'
import { copyCommand } from './history-copy.ts'
import { eraseCommand } from './history-erase.ts'
import { exportCommand } from './history-export.ts'
import { headCommand } from './history-head.ts'
import { importCommand } from './history-import.ts'
import { listCommand } from './history-list.ts'
import { pruneCommand } from './history-prune.ts'
import { searchCommand } from './history-search.ts'
import { showCommand } from './history-show.ts'
import { statsCommand } from './history-stats.ts'
import { tailCommand } from './history-tail.ts'
import { verifyCommand } from './history-verify.ts'
import { parkedDiscardCommand, parkedRestoreCommand } from './parked-discard.ts'
import { parkedEditCommand } from './parked-edit.ts'
import { parkedGroupsCommand, parkedListCommand } from './parked-list.ts'
import { parkedRetryCommand } from './parked-retry.ts'
import { parkedShowCommand } from './parked-show.ts'
import { patternTestCommand } from './pattern-test.ts'
import { publishCommand } from './publish.ts'
import { rebuildCommand } from './rebuild.ts'
import { recordCommand } from './record.ts'
import { relayCommand } from './relay.ts'
import { replayCommand } from './replay.ts'
import { serveCommand } from './serve.ts'
import { applyCommand } from './topology-apply.ts'
import { lintCommand } from './topology-lint.ts'
import { planCommand } from './topology-plan.ts'
import { upCommand } from './up.ts'

const working: readonly Command[] = [
  upCommand,
  downCommand,
  publishCommand,
  recordCommand,
  adoptCommand,
  replayCommand,
  serveCommand,
  relayCommand,
  bootstrapCommand,
  rebuildCommand,
  headCommand,
  listCommand,
  searchCommand,
  showCommand,
  tailCommand,
  statsCommand,
  exportCommand,
  importCommand,
  copyCommand,
  verifyCommand,
  pruneCommand,
  eraseCommand,
  auditCommand,
  statusCommand,
  certificateCommand,
  parkedListCommand,
  parkedGroupsCommand,
  parkedShowCommand,
  parkedRetryCommand,
  parkedEditCommand,
  parkedDiscardCommand,
  parkedRestoreCommand,
  patternTestCommand,
  planCommand,
  applyCommand,
  lintCommand,
  doctorCommand,
]

export const commands: readonly Command[] = [...working, completionCommand(working)]

/** A certificate for people. */
import type { Certificate } from '../../consumers/index.ts'
import { count } from './progress.ts'
import { listOf } from './table.ts'

export function certificateList(certificate: Certificate): string[] {
  const { consumer, exchange, cursor, head, applied, beyond, unidentified, checksum, history } = certificate
  const differs =
    checksum === history.checksum ? 'as in the history' : `but ${history.checksum} in the history`
  return listOf({
    consumer,
    exchange,
    cursor: `${count(cursor)} of ${count(head)}`,
    applied: `${count(applied)}, ${count(beyond)} of them beyond the cursor`,
    parked: count(certificate.parked),
    discarded: count(certificate.discarded),
    ...(certificate.erased > 0 && {
      erased: `${count(certificate.erased)} passed over, emptied by an erasure`,
    }),
    ...(certificate.pruned > 0 && { pruned: `${count(certificate.pruned)} before this consumer read them` }),
    ...(certificate.superseded > 0 && {
      superseded: `${count(certificate.superseded)} passed over, for a later event of their subject`,
    }),
    history: `${count(history.count)} up to the cursor`,
    'without id': unidentified,
    checksum: `${checksum}, ${differs}`,
    complete: certificate.complete,
    level: certificate.level,
  })
}

/** Of a consumer with partitions, that of each after the whole one. */
export function certificateLines(certificate: Certificate): string[] {
  const { partitions = [] } = certificate
  return [certificate, ...partitions].flatMap((one, index) => [
    ...(index > 0 ? [''] : []),
    ...certificateList(one),
  ])
}

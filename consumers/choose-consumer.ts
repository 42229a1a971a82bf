/** Which of the consumers that a store holds is meant. */
import { ConsumerError } from './errors.ts'

/**
 * @param names - Of the consumers in the store.
 * @param options.store - Its address, as it may be shown.
 * @param options.consumer - The one that is named; else there has to be one only.
 * @throws ConsumerError `CONSUMER_STORE_FOREIGN` where that one is not there, or not clear.
 */
export function chooseConsumer(
  names: readonly string[],
  { store, consumer }: { store: string; consumer: string | undefined },
): string {
  if (consumer !== undefined && names.includes(consumer)) return consumer
  const [only] = names
  if (consumer === undefined && only !== undefined && names.length === 1) return only
  const held = names.length === 0 ? 'no consumer' : names.join(', ')
  throw new ConsumerError(
    'CONSUMER_STORE_FOREIGN',
    `${store} holds ${held}; name ${names.length > 1 ? 'one of them' : "a consumer's store"}`,
  )
}

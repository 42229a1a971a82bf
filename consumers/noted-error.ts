/** The errors that a status tells of: what was said, and when. */

export interface NotedError {
  readonly message: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** Of several places that note what they meet: the one that did last. */
export function newest(...errors: readonly (NotedError | undefined)[]): NotedError | undefined {
  let found: NotedError | undefined
  for (const error of errors) {
    // At the same moment, the outer one stands first and tells what became of it.
    if (error !== undefined && (found === undefined || error.at > found.at)) found = error
  }
  return found
}

/** Stable codes of the sales app's errors; a code never changes its meaning. */
export type SalesErrorCode = 'BOOK_NOT_FOUND' | 'BOOK_UNREADABLE' | 'SALES_DATABASE_UNUSABLE'

/** What stops a sale before it starts. A bad line does not: it is rejected and selling goes on. */
export class SalesError extends Error {
  readonly code: SalesErrorCode

  constructor(code: SalesErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'SalesError'
    this.code = code
  }
}

/** Thrown when a check fails. The message says what was expected and what was received. */
export class ConformanceFailure extends Error {
  override readonly name = 'ConformanceFailure'
  /** The status of the reply that broke the rule. Absent if there was no reply. */
  readonly receivedStatus: number | undefined

  constructor(message: string, { receivedStatus, cause }: { receivedStatus?: number; cause?: unknown } = {}) {
    super(message, { cause })
    this.receivedStatus = receivedStatus
  }
}

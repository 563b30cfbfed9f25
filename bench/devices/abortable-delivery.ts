// A delivery that creates its `signal` when a handler first asks for it, which most handlers never do.

interface Facts {
  readonly messageId: string
  readonly sentAt: Date
  readonly receivedAt: Date
  readonly rawBody: Uint8Array
  readonly secretIndex: number
}

export class AbortableDelivery {
  readonly messageId: string
  readonly sentAt: Date
  readonly receivedAt: Date
  readonly attempt = 1
  readonly rawBody: Uint8Array
  readonly secretIndex: number
  readonly context: unknown
  #controller: AbortController | undefined

  constructor({ messageId, sentAt, receivedAt, rawBody, secretIndex }: Facts, context: unknown) {
    this.messageId = messageId
    this.sentAt = sentAt
    this.receivedAt = receivedAt
    this.rawBody = rawBody
    this.secretIndex = secretIndex
    this.context = context
  }

  get signal(): AbortSignal {
    return this.#abortable().signal
  }

  abort(reason: unknown): void {
    this.#abortable().abort(reason)
  }

  #abortable(): AbortController {
    this.#controller ??= new AbortController()
    return this.#controller
  }
}

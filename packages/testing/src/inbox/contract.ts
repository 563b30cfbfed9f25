import type { InboxConnection, WebhookEvent } from '@scrapenest-webhooks/core'

// The contract is told in full, with what each state means, by `Inbox` of the package `inbox`, which the tests hold to
// these types. It is not imported from there: this package depends on core only, and `inbox` is tested with this package.

/** An inbox, as far as the checks ask it: each `Inbox` of `@scrapenest-webhooks/inbox` is one. */
export interface InboxUnderTest extends InboxConnection {
  readonly capabilities: InboxUnderTestCapabilities
  check(): Promise<void>
  close(options?: Partial<Parameters<InboxConnection['close']>[0]>): Promise<void>
  list(query?: InboxUnderTestFilter & { limit?: number; cursor?: string | undefined }): Promise<{
    readonly events: readonly InboxUnderTestSummary[]
    readonly nextCursor?: string | undefined
  }>
  get(eventId: string, options?: { readonly name?: string }): Promise<InboxUnderTestRecord | undefined>
  stats(options?: { readonly name?: string }): Promise<InboxUnderTestStats>
  replay(
    filter: InboxUnderTestFilter & ({ eventId: string } | { state: 'done' | 'dead' }),
  ): Promise<{ readonly replayed: number; readonly withoutPayload: number }>
  purge(filter: InboxUnderTestFilter & { state: 'done' | 'dead' }): Promise<number>
}

/** What an engine can do. What it cannot, it refuses with `configuration_invalid`. */
export interface InboxUnderTestCapabilities {
  readonly isDurable: boolean
  readonly isShared: boolean
  readonly attempts: 'every' | 'last'
  readonly filters: readonly (keyof InboxUnderTestFilter)[]
  readonly replayableStates: readonly ('done' | 'dead')[]
  readonly canDropPayload: boolean
  /** @default true */
  readonly canTakeClock?: boolean | undefined
}

export interface InboxUnderTestFilter {
  name?: string
  eventId?: string
  eventType?: string
  state?: InboxUnderTestState
  isUnhandled?: boolean
  receivedFrom?: Date
  receivedBefore?: Date
  finishedBefore?: Date
}

export type InboxUnderTestState = 'ready' | 'running' | 'done' | 'dead'

export interface InboxUnderTestStats extends Readonly<Record<InboxUnderTestState | 'unhandled', number>> {
  readonly oldestReadyAt?: Date | undefined
}

export interface InboxUnderTestSummary {
  readonly name: string
  readonly eventId: string
  readonly eventType: string
  readonly messageId: string
  readonly state: InboxUnderTestState
  readonly isUnhandled: boolean
  readonly attempts: number
  readonly replays: number
  readonly sentAt: Date
  readonly receivedAt: Date
}

export interface InboxUnderTestRecord extends InboxUnderTestSummary {
  readonly body?: Uint8Array | undefined
  readonly envelope?: WebhookEvent | undefined
  readonly signedHeaders?: Readonly<Record<string, string>> | undefined
  readonly secretIndex: number
  readonly history: readonly InboxUnderTestAttempt[]
}

export interface InboxUnderTestAttempt {
  readonly attempt: number
  readonly replay: number
  readonly error?: { readonly code: string; readonly message: string } | undefined
}

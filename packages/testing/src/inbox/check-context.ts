import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Inbox, InboxAttemptRecord, InboxCapabilities, InboxRecord, InboxStats } from '@scrapenest-webhooks/inbox'
import { untilInboxStats } from './inbox-stats.ts'
import type { InboxCheckOptions, InboxStorage, InboxTarget } from './target.ts'

/** Ends a check of a capability that the engine declares it does not have. */
export class NotApplicable extends Error {
  override readonly name = 'NotApplicable'
  readonly capability: string

  constructor(capability: string) {
    super(`The engine does not have the capability ${capability}.`)
    this.capability = capability
  }
}

/** The tools of a check: opens inboxes on the same storage, waits for them, and records what the engine cannot do. */
export class InboxCheckContext {
  readonly #storage: InboxStorage
  readonly #timeoutMs: number
  readonly #inboxes: Inbox[] = []
  readonly #missing = new Set<string>()

  constructor(storage: InboxStorage, { timeoutMs = 5000 }: Pick<InboxTarget, 'timeoutMs'>) {
    this.#storage = storage
    this.#timeoutMs = timeoutMs
  }

  /** The capabilities that the check did without, because the engine declares that it lacks them. */
  get missing(): readonly string[] {
    return [...this.#missing]
  }

  get capabilities(): InboxCapabilities {
    return (this.#inboxes[0] ?? this.open()).capabilities
  }

  /** Opens an inbox on the check's storage. */
  open(options: InboxCheckOptions = {}): Inbox {
    const inbox = this.#storage.open(options)
    this.#inboxes.push(inbox)
    return inbox
  }

  /** Ends the check if the engine declares that it lacks this capability. */
  require(capability: 'isDurable' | 'isShared' | 'canTakeClock'): void {
    if (!(this.capabilities[capability] ?? true)) throw new NotApplicable(capability)
  }

  /** Requires a refusal with `configuration_invalid`. */
  async expectRefusal(call: () => unknown): Promise<void> {
    await assert.rejects(
      async () => await call(),
      (error: { readonly code?: unknown } | undefined) => error?.code === 'configuration_invalid',
      'Expected a ConfigurationError with the code configuration_invalid.',
    )
  }

  /** Requires these attempts in the history, or the last one if the engine keeps only that. */
  expectHistory<Facts>(
    record: InboxRecord | undefined,
    factsOf: (attempt: InboxAttemptRecord) => Facts,
    wanted: readonly Facts[],
  ): void {
    const keepsEvery = this.capabilities.attempts === 'every'
    if (!keepsEvery && wanted.length > 1) this.#missing.add('attempts: every')
    assert.deepEqual(record?.history.map(factsOf), keepsEvery ? wanted : wanted.slice(-1))
  }

  /** Requires the order that the engine declares. */
  expectOrder(
    ids: readonly string[],
    { stored, byState }: { readonly stored: readonly string[]; readonly byState: readonly string[] },
  ): void {
    const isStored = this.capabilities.listOrder === 'stored'
    if (!isStored) this.#missing.add('listOrder: stored')
    assert.deepEqual(ids, isStored ? stored : byState)
  }

  /** Requires these counts, and 0 for all others. */
  async expectCounts(inbox: Inbox, wanted: Partial<InboxStats>): Promise<void> {
    const { oldestReadyAt: _, ...counts } = await inbox.stats()
    assert.deepEqual(counts, { ready: 0, running: 0, done: 0, dead: 0, unhandled: 0, ...wanted })
  }

  async untilStats(inbox: Inbox, wanted: Partial<InboxStats>): Promise<void> {
    await untilInboxStats(inbox, wanted, this.#timeoutMs)
  }

  /** @param what completes "Expected within … ms that …". */
  async until(condition: () => boolean, what: string): Promise<void> {
    const giveUpAtMs = performance.now() + this.#timeoutMs
    while (!condition()) {
      assert.ok(performance.now() < giveUpAtMs, `Expected within ${this.#timeoutMs} ms that ${what}.`)
      await sleep(2)
    }
  }

  /** Closes every inbox. Errors are ignored, because the first failure of the check is the one that matters. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#inboxes.map(async (inbox) => await inbox.close({ graceMs: 0 })))
    // Handlers have been aborted, but a slow store may still be closing.
    await Promise.allSettled(this.#inboxes.map(async (inbox) => await inbox.close()))
  }
}

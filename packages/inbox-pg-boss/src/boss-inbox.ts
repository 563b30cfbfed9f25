import { ConfigurationError, type Delivery, type InboxEvent, WebhookError } from '@scrapenest-webhooks/core'
import type { InboxProcessor } from '@scrapenest-webhooks/core/adapter'
import { type Inbox, LeaseLostError } from '@scrapenest-webhooks/inbox'
import { type InboxSettings, StoredInbox } from '@scrapenest-webhooks/inbox/kit'
import type { BossStore } from './boss-store.ts'
import { type TransactionLike, toDb } from './transaction.ts'

export interface PgBossInbox extends Inbox {
  /**
   * Completes the event inside a transaction of your own: what the handler wrote there and the completion are committed
   * together, or neither is. After a rollback the event is tried again.
   *
   * Call it at the end of a handler, right before the commit: until then the transaction locks the event's row.
   *
   * @param delivery the one that the handler received.
   * @throws {WebhookError} `event_in_progress`: the lease was lost, and another worker may be handling the event. Let the
   * transaction roll back.
   * @throws {ConfigurationError} `configuration_invalid`: it is not a transaction, or the delivery is not from this inbox.
   *
   * @example
   * const inbox = pgBossInbox({ connectionString })
   * const onEvent = {
   *   'artifact.ready': (event, delivery) => transaction(pool, async (client) => {
   *     await client.query('INSERT INTO artifacts (job_id) VALUES ($1)', [event.data.job_id])
   *     await inbox.completeIn(client, delivery)
   *   }),
   * }
   */
  completeIn(transaction: TransactionLike, delivery: Pick<Delivery, 'signal'>): Promise<void>
}

/** The inbox on pg-boss: a stored inbox, plus `completeIn`. */
export class BossInbox extends StoredInbox implements PgBossInbox {
  readonly #store: BossStore
  readonly #running: WeakMap<AbortSignal, InboxEvent>

  constructor(store: BossStore, settings: InboxSettings) {
    const running = new WeakMap<AbortSignal, InboxEvent>()
    super(store, settings, {
      // pg-boss deletes them, and replaces their memory: the job itself is what recognizes a duplicate.
      deletesDone: false,
      wrapProcessor: (processor) => withoutOpenTransaction(processor, { store, running }),
    })
    this.#store = store
    this.#running = running
  }

  async completeIn(transaction: TransactionLike, { signal }: Pick<Delivery, 'signal'>): Promise<void> {
    const db = toDb(transaction)
    const event = this.#running.get(signal)
    if (event === undefined) {
      throw new ConfigurationError('Expected the delivery of a handler of this inbox that is still running.')
    }
    if (!(await this.#store.completeIn(db, event))) throw new LeaseLostError()
  }
}

/**
 * The same handlers, whose attempt fails if they end without an error but the transaction that was to complete their event
 * was not committed.
 */
function withoutOpenTransaction(
  processor: InboxProcessor,
  { store, running }: { readonly store: BossStore; readonly running: WeakMap<AbortSignal, InboxEvent> },
): InboxProcessor {
  return async (event, attempt) => {
    running.set(attempt.signal, event)
    try {
      const result = await processor(event, attempt)
      if (await store.isStillRunning(event)) {
        const problem =
          'The handler ended without an error, but the transaction that completes its event was not committed.'
        throw new WebhookError('handler_failed', undefined, { cause: new Error(problem) })
      }
      return result
    } finally {
      running.delete(attempt.signal)
    }
  }
}

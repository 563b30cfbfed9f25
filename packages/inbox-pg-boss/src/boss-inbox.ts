import { ConfigurationError, type Delivery, type InboxEvent, WebhookError } from '@scrapenest-webhooks/core'
import type { InboxProcessor } from '@scrapenest-webhooks/core/adapter'
import { type Inbox, LeaseLostError } from '@scrapenest-webhooks/inbox'
import { type InboxSettings, StoredInbox } from '@scrapenest-webhooks/inbox/kit'
import type { BossStore } from './boss-store.ts'
import { type TransactionLike, toDb } from './transaction.ts'

export interface PgBossInbox extends Inbox {
  /**
   * Completes the event inside your own transaction: either your handler's writes and the completion are committed together,
   * or neither is. After a rollback, the event is retried.
   *
   * Call it last, right before the commit, because from then on the transaction locks the event's row.
   *
   * @param delivery the delivery that the handler received.
   * @throws {WebhookError} `event_in_progress`: the lease was lost, and another worker may be handling the event. Roll back
   * the transaction.
   * @throws {ConfigurationError} `configuration_invalid`: `transaction` is not a transaction, or `delivery` does not belong
   * to a handler that this inbox is running.
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

/** A stored inbox on pg-boss, plus `completeIn`. */
export class BossInbox extends StoredInbox implements PgBossInbox {
  readonly #store: BossStore
  readonly #running: WeakMap<AbortSignal, InboxEvent>

  constructor(store: BossStore, settings: InboxSettings) {
    const running = new WeakMap<AbortSignal, InboxEvent>()
    super(store, settings, {
      // pg-boss deletes done jobs itself. Until then, the job serves to recognize duplicates.
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
      throw new ConfigurationError('Expected delivery to come from a running handler of this inbox.')
    }
    if (!(await this.#store.completeIn(db, event))) throw new LeaseLostError()
  }
}

/**
 * Wraps a processor so that an attempt fails if its handlers succeed without committing the transaction that completes the
 * event.
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
        const problem = 'The handler succeeded, but did not commit the transaction that completes its event.'
        throw new WebhookError('handler_failed', undefined, { cause: new Error(problem) })
      }
      return result
    } finally {
      running.delete(attempt.signal)
    }
  }
}

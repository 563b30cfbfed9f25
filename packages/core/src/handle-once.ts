import type { AbortableDelivery } from './delivery.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { ClaimResult, DuplicateStore } from './duplicates.ts'
import { codeOf, EventInProgressError, StoreUnavailableError } from './errors.ts'
import type { WebhookEvent } from './events.ts'
import type { Reception } from './reception.ts'
import type { Acknowledgement } from './reply.ts'
import type { Reporter } from './reporter.ts'
import { settle } from './thenable.ts'

/** How long a claim holds: much longer than a handler takes, short enough that a process that died swallows no event. */
const claimOptions = { leaseMs: 15 * 60_000 }

interface Claim {
  readonly key: string
  readonly token: string
}

/** Runs the handlers of an event under a claim: kept when they all succeeded, given back when the event is to come again. */
export class OnceHandler<Context> {
  readonly #name: string
  readonly #duplicates: DuplicateStore
  readonly #dispatcher: Dispatcher<Context>
  readonly #reporter: Reporter

  constructor(
    settings: { readonly name: string; readonly duplicates: DuplicateStore },
    dispatcher: Dispatcher<Context>,
    reporter: Reporter,
  ) {
    this.#name = settings.name
    this.#duplicates = settings.duplicates
    this.#dispatcher = dispatcher
    this.#reporter = reporter
  }

  /**
   * @returns a promise only where something has to be waited for.
   * @throws {WebhookError} (or rejects with) `event_in_progress`, `store_unavailable`, or what `Dispatcher.dispatch` throws.
   */
  handle(
    event: WebhookEvent,
    delivery: AbortableDelivery<Context>,
    reception: Reception<Context>,
  ): Acknowledgement | Promise<Acknowledgement> {
    const key = `${this.#name}/${event.event_id}`
    return settle<ClaimResult, Acknowledgement>(
      () => this.#duplicates.claim(key, claimOptions),
      (claim) => {
        switch (claim?.state) {
          case 'claimed':
            return this.#handleClaimed(event, delivery, reception, { key, token: claim.token })
          case 'in_progress':
            throw new EventInProgressError()
          case 'done':
            return 'duplicate'
          default:
            throw new StoreUnavailableError(new TypeError('Expected claim to give a known state.'))
        }
      },
      (error) => {
        throw new StoreUnavailableError(error)
      },
    )
  }

  #handleClaimed(
    event: WebhookEvent,
    delivery: AbortableDelivery<Context>,
    reception: Reception<Context>,
    claim: Claim,
  ): Acknowledgement | Promise<Acknowledgement> {
    if (reception.isAnswered) {
      // The reply said that the store is out of reach: the sender comes again and must not find the event claimed.
      return this.#endClaim('release', claim, reception, () => {
        throw new StoreUnavailableError()
      })
    }
    reception.waitingFor = 'handlers'
    return settle<unknown, Acknowledgement>(
      () => this.#dispatcher.dispatch(event, delivery, reception),
      () => this.#endClaim('complete', claim, reception, () => 'accepted'),
      (error) => {
        const end = codeOf(error) === 'permanent_failure' ? 'complete' : 'release'
        return this.#endClaim(end, claim, reception, () => {
          throw error
        })
      },
    )
  }

  /** The handlers' result stands, whatever the store does: a claim that could not be ended ends with its lease. */
  #endClaim(
    end: 'complete' | 'release',
    { key, token }: Claim,
    reception: Reception<Context>,
    result: () => Acknowledgement,
  ): Acknowledgement | Promise<Acknowledgement> {
    return settle(
      () => this.#duplicates[end](key, token),
      result,
      (error) => {
        this.#reporter.failed(new StoreUnavailableError(error), reception)
        return result()
      },
    )
  }
}

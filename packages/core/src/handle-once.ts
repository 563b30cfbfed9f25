import type { AbortableDelivery } from './delivery.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { ClaimResult, DuplicateStore } from './duplicates.ts'
import { codeOf, EventInProgressError, StoreUnavailableError } from './errors.ts'
import type { WebhookEvent } from './events.ts'
import type { Reception } from './reception.ts'
import type { Acknowledgement } from './reply.ts'
import type { Reporter } from './reporter.ts'
import { isThenable } from './thenable.ts'

/** How long a claim holds: much longer than a handler takes, short enough that a process that died swallows no event. */
const claimOptions = { leaseMs: 15 * 60_000 }

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

  /** @throws {WebhookError} `event_in_progress`, `store_unavailable`, or what `Dispatcher.dispatch` throws. */
  async handle(
    event: WebhookEvent,
    delivery: AbortableDelivery<Context>,
    reception: Reception<Context>,
  ): Promise<Acknowledgement> {
    const key = `${this.#name}/${event.event_id}`
    let claim: ClaimResult
    try {
      const claiming = this.#duplicates.claim(key, claimOptions)
      claim = isThenable(claiming) ? await claiming : claiming
    } catch (error) {
      throw new StoreUnavailableError(error)
    }
    switch (claim?.state) {
      case 'claimed':
        break
      case 'in_progress':
        throw new EventInProgressError()
      case 'done':
        return 'duplicate'
      default:
        throw new StoreUnavailableError(new TypeError('Expected claim to give a known state.'))
    }
    let end: 'complete' | 'release' = 'release'
    try {
      // The reply said that the store is out of reach: the sender comes again and must not find the event claimed.
      if (reception.isAnswered) throw new StoreUnavailableError()
      reception.waitingFor = 'handlers'
      const running = this.#dispatcher.dispatch(event, delivery, reception)
      if (isThenable(running)) await running
      end = 'complete'
      return 'accepted'
    } catch (error) {
      if (codeOf(error) === 'permanent_failure') end = 'complete'
      throw error
    } finally {
      const ending = this.#end(end, key, claim.token, reception)
      if (ending !== undefined) await ending
    }
  }

  /** The handlers' result stands, whatever the store does: a claim that could not be ended ends with its lease. */
  #end(
    end: 'complete' | 'release',
    key: string,
    token: string,
    reception: Reception<Context>,
  ): Promise<void> | undefined {
    const failed = (error: unknown): void => this.#reporter.failed(new StoreUnavailableError(error), reception)
    try {
      const ending = this.#duplicates[end](key, token)
      if (isThenable(ending)) return Promise.resolve(ending).then(undefined, failed)
    } catch (error) {
      failed(error)
    }
    return undefined
  }
}

import type { AbortableDelivery } from './delivery.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { ClaimResult, DuplicateStore } from './duplicates.ts'
import { codeOf, EventInProgressError, StoreUnavailableError } from './errors.ts'
import type { WebhookEvent } from './events.ts'
import type { Reception } from './reception.ts'
import type { Acknowledgement } from './reply.ts'
import type { Reporter } from './reporter.ts'
import { isThenable } from './thenable.ts'

const claimStates: ReadonlySet<string> = new Set<ClaimResult['state']>(['claimed', 'in_progress', 'done'])

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
      if (!claimStates.has(claim.state)) throw new TypeError('Expected claim to give a known state.')
    } catch (error) {
      throw new StoreUnavailableError(error)
    }
    if (claim.state === 'done') return 'duplicate'
    if (claim.state === 'in_progress') throw new EventInProgressError()
    const { token } = claim
    if (reception.isAnswered) {
      // The reply said that the store is out of reach: the sender comes again and must not find the event claimed.
      await this.#endClaim('release', key, token, reception)
      throw new StoreUnavailableError()
    }
    reception.waitingFor = 'handlers'
    try {
      const dispatching = this.#dispatcher.dispatch(event, delivery, reception)
      if (isThenable(dispatching)) await dispatching
    } catch (error) {
      const isDropped = codeOf(error) === 'permanent_failure'
      await this.#endClaim(isDropped ? 'complete' : 'release', key, token, reception)
      throw error
    }
    const completing = this.#endClaim('complete', key, token, reception)
    if (completing !== undefined) await completing
    return 'accepted'
  }

  /**
   * The handlers' result stands, whatever the store does: a claim that could not be ended ends with its lease.
   *
   * @returns nothing where there is nothing to wait for.
   */
  #endClaim(
    end: 'complete' | 'release',
    key: string,
    token: string,
    reception: Reception<Context>,
  ): PromiseLike<void> | undefined {
    const failed = (error: unknown): void => this.#reporter.failed(new StoreUnavailableError(error), reception)
    try {
      const ending = this.#duplicates[end](key, token)
      return isThenable(ending) ? ending.then(undefined, failed) : undefined
    } catch (error) {
      failed(error)
      return undefined
    }
  }
}

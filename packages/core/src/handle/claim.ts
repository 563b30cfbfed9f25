import { asWebhookError, WebhookError } from '../errors.ts'
import type { ClaimResult, DuplicateStore } from './duplicates.ts'

/**
 * How long a claim lasts: much longer than handlers take, yet short enough that ScrapeNest still retries the event if
 * this process dies. Claims are not renewed.
 */
const expiresInMs = 15 * 60_000

/** The right to run the handlers of one event. It ends with `complete` or `release`, or expires. */
export interface Claim {
  /** Marks the event as handled: later deliveries are duplicates. @throws {WebhookError} `store_unavailable` */
  complete(): Promise<void>
  /** Gives up the claim, so that a retry runs the handlers. @throws {WebhookError} `store_unavailable` */
  release(): Promise<void>
}

/**
 * Claims an event.
 *
 * @param key see `eventKey`.
 * @returns `undefined` if the event is done.
 * @throws {WebhookError} `event_in_progress`, `store_unavailable`
 */
export async function claimEvent(duplicates: DuplicateStore, key: string): Promise<Claim | undefined> {
  const result: ClaimResult | undefined = await storeCall(() => duplicates.claim(key, { expiresInMs }))
  // Custom stores may return undefined, or anything else.
  switch (result?.state) {
    case 'claimed':
      return claimOf(duplicates, key, result.token)
    case 'done':
      return undefined
    case 'in_progress':
      throw new WebhookError('event_in_progress')
    default:
      throw new WebhookError('store_unavailable', '`claim` returned an unknown state.')
  }
}

function claimOf(duplicates: DuplicateStore, key: string, token: string): Claim {
  return {
    complete: () => storeCall(() => duplicates.complete(key, token)),
    release: () => storeCall(() => duplicates.release(key, token)),
  }
}

/** Reports anything a store throws as `store_unavailable`. */
async function storeCall<Result>(call: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await call()
  } catch (error) {
    throw asWebhookError('store_unavailable', error)
  }
}

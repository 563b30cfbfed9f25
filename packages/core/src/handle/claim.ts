import { asWebhookError, WebhookError } from '../errors.ts'
import type { ClaimResult, DuplicateStore } from './duplicates.ts'

/**
 * How long a claim lasts: much longer than handlers take, but short enough that ScrapeNest still retries an event whose
 * process died. Claims are not renewed.
 */
const expiresInMs = 15 * 60_000

/** The right to run the handlers of one event. It ends with `complete` or `release`, or expires. */
export interface Claim {
  /** The handlers succeeded: from now on the event is a duplicate. @throws {WebhookError} `store_unavailable` */
  complete(): Promise<void>
  /** Lets the event be retried. @throws {WebhookError} `store_unavailable` */
  release(): Promise<void>
}

/**
 * Claims an event.
 *
 * @param key see `eventKey`.
 * @returns nothing if the event is done.
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
      throw new WebhookError('store_unavailable', '`claim` returned no known state.')
  }
}

function claimOf(duplicates: DuplicateStore, key: string, token: string): Claim {
  return {
    complete: () => storeCall(() => duplicates.complete(key, token)),
    release: () => storeCall(() => duplicates.release(key, token)),
  }
}

/** Whatever a store throws, the store is unavailable. */
async function storeCall<Result>(call: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await call()
  } catch (error) {
    throw asWebhookError('store_unavailable', error)
  }
}

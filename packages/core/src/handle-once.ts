import type { AbortableDelivery } from './delivery.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { ClaimResult, DuplicateStore } from './duplicates.ts'
import { codeOf, failureOf, WebhookError } from './errors.ts'
import type { WebhookEvent } from './events.ts'
import type { Reception } from './reception.ts'
import type { Acknowledgement } from './reply.ts'
import type { Reporter, Subject } from './reporter.ts'
import { isThenable } from './thenable.ts'

/** How long a claim holds: much longer than a handler takes, short enough that a process that died swallows no event. */
const claimOptions = { leaseMs: 15 * 60_000 }

/** What belongs to a receiver, and not to one of its events. */
export interface Once<Context> {
  readonly name: string
  readonly duplicates: DuplicateStore
  readonly dispatcher: Dispatcher<Context>
  readonly reporter: Reporter
}

/**
 * Runs the handlers of an event under a claim: kept when they all succeeded, given back when the event is to come again.
 *
 * @throws {WebhookError} `event_in_progress`, `store_unavailable`, or what `Dispatcher.dispatch` throws.
 */
export async function handleOnce<Context>(
  once: Once<Context>,
  event: WebhookEvent,
  delivery: AbortableDelivery<Context>,
  reception: Reception<Context>,
): Promise<Acknowledgement> {
  const key = `${once.name}/${event.event_id}`
  let claim: ClaimResult | undefined
  try {
    const claiming = once.duplicates.claim(key, claimOptions)
    claim = isThenable(claiming) ? await claiming : claiming
  } catch (error) {
    throw failureOf('store_unavailable', error)
  }
  const token = tokenOf(claim)
  if (token === undefined) return 'duplicate'
  let how: 'complete' | 'release' = 'release'
  try {
    // The reply said that the store is out of reach: the sender comes again and must not find the event claimed.
    if (reception.isAnswered) throw new WebhookError('store_unavailable')
    reception.lateCode = 'handler_timeout'
    const running = once.dispatcher.dispatch(event, delivery, reception)
    if (isThenable(running)) await running
    how = 'complete'
    return 'accepted'
  } catch (error) {
    if (codeOf(error) === 'permanent_failure') how = 'complete'
    throw error
  } finally {
    const ending = end(once, how, key, token, reception)
    if (ending !== undefined) await ending
  }
}

/** The handlers' result stands, whatever the store does: a claim that could not be ended ends with its lease. */
function end(
  { duplicates, reporter }: Pick<Once<never>, 'duplicates' | 'reporter'>,
  how: 'complete' | 'release',
  key: string,
  token: string,
  subject: Subject,
): Promise<void> | undefined {
  const fail = (error: unknown): void => reporter.failed(failureOf('store_unavailable', error), subject)
  try {
    const ending = duplicates[how](key, token)
    if (isThenable(ending)) return Promise.resolve(ending).catch(fail)
  } catch (error) {
    fail(error)
  }
  return undefined
}

/** The token of a claim that was given; nothing for an event that is done. */
function tokenOf(claim: ClaimResult | undefined): string | undefined {
  const state = claim?.state
  if (state === 'claimed') return (claim as { readonly token: string }).token
  if (state === 'done') return undefined
  // Whoever writes a store may forget to answer.
  throw new WebhookError(state === 'in_progress' ? 'event_in_progress' : 'store_unavailable')
}

import { createHash, randomBytes } from 'node:crypto'
import type { InboxEvent } from '@scrapenest-webhooks/core'
import { type EventIdentity, type EventJson, eventKey, fromEventJson } from '@scrapenest-webhooks/inbox/kit'

/** The data of a job: its event. The name of the job is the event's type, for pages that list jobs. */
export interface JobData extends EventJson {
  /** What was stored instead of an event. */
  readonly unreadable?: string
}

/** Distinguishes ids of this process from those that others create in the same millisecond. */
const processId = randomBytes(6).toString('hex')
let lastMs = 0
let countInMs = 0

/**
 * A new id for a job. It starts with the time, so that ids sort in the order in which events were stored. Then comes a part
 * that makes it unique, because BullMQ takes a job with a known id for the same job. It ends with the event's key, by which
 * the event is found once its duplicates are no longer recognized. BullMQ forbids ids of digits alone, and colons.
 *
 * @param eventKey the event's `deduplicationId`.
 */
export function newJobId(eventKey: string): string {
  const nowMs = Math.max(lastMs, Date.now())
  countInMs = nowMs === lastMs ? countInMs + 1 : 0
  lastMs = nowMs
  const time = nowMs.toString(36).padStart(9, '0') + countInMs.toString(36).padStart(4, '0')
  return `e${time}-${processId}-${eventKey}`
}

const jobIdForm = /^e[0-9a-z]{13,}-[0-9a-f]{12}-(.+)$/

/** The event's key in the id of its job; `undefined` for other jobs, which the application's own queue may contain. */
export function eventKeyOf(jobId: string): string | undefined {
  return jobIdForm.exec(jobId)?.[1]
}

/**
 * The key of an event in the queue of its name: its id if that is short and plain, as ScrapeNest's are; otherwise a hash,
 * which differs from any id by its dot. BullMQ forbids colons.
 */
export function deduplicationId(identity: EventIdentity): string {
  const { scope = '', eventId } = identity
  if (scope === '' && /^[A-Za-z0-9_-]{1,64}$/.test(eventId)) return eventId
  return `sha256.${createHash('sha256').update(eventKey(identity)).digest('base64url')}`
}

/** The event in a job; `undefined` if it cannot be read. Never throws. */
export function readEvent(data: unknown): InboxEvent | undefined {
  if (!isJobData(data)) return undefined
  try {
    return fromEventJson(data)
  } catch {
    return undefined
  }
}

export function isJobData(data: unknown): data is JobData {
  const { name, eventId, eventType, messageId, sentAt, receivedAt, secretIndex } = Object(data) as Partial<JobData>
  const texts = [name, eventId, eventType, messageId]
  const numbers = [sentAt, receivedAt, secretIndex]
  return texts.every((text) => typeof text === 'string') && numbers.every((number) => Number.isFinite(number))
}

/**
 * Replaces data that cannot be read with what the job's id contains, so that the dead event is listed.
 *
 * @param options.name the receiver's name.
 */
export function toUnreadable(
  { id = '', name: eventType, timestamp, data }: { id?: string; name?: string; timestamp?: number; data: unknown },
  { name }: { readonly name: string },
): JobData {
  const eventId = eventKeyOf(id) ?? id
  const receivedAt = Number.isFinite(timestamp) ? Number(timestamp) : Date.now()
  return {
    name,
    eventId,
    eventType: eventType || 'unknown',
    messageId: eventId,
    sentAt: receivedAt,
    receivedAt,
    secretIndex: 0,
    // Kept, because it may show the cause.
    unreadable:
      typeof data === 'object' && data !== null && 'unreadable' in data
        ? String(data.unreadable)
        : JSON.stringify(data ?? null),
  }
}

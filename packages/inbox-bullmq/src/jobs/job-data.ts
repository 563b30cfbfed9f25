import { createHash, randomBytes } from 'node:crypto'
import type { InboxEvent } from '@scrapenest-webhooks/core'
import { type EventIdentity, type EventJson, eventKey, fromEventJson } from '@scrapenest-webhooks/inbox/kit'

/** The data of a job: its event. The job's name is the event type, for dashboards. */
export interface JobData extends EventJson {
  /** The stored data, if it is not an event. */
  readonly unreadable?: string
}

/** Distinguishes ids of this process from those that other processes create in the same millisecond. */
const processId = randomBytes(6).toString('hex')
let lastMs = 0
let countInMs = 0

/**
 * Creates a job id from three parts. The time makes ids sort in the order of storing. A unique part follows, because BullMQ
 * treats a job with a known id as the same job. The event's key comes last, so the event can be found even after its
 * duplicates are no longer recognized. BullMQ forbids colons and ids that consist of digits only.
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

/** The event's key in the id of its job. `undefined` for other jobs, which the application's queue may contain. */
export function eventKeyOf(jobId: string): string | undefined {
  return jobIdForm.exec(jobId)?.[1]
}

/**
 * The key of an event in its receiver's queue: the event id if it is short and plain, like ScrapeNest's, otherwise a hash. A
 * hash contains a dot, so it never equals an id. BullMQ forbids colons.
 */
export function deduplicationId(identity: EventIdentity): string {
  const { scope = '', eventId } = identity
  if (scope === '' && /^[A-Za-z0-9_-]{1,64}$/.test(eventId)) return eventId
  return `sha256.${createHash('sha256').update(eventKey(identity)).digest('base64url')}`
}

/** Reads the event in a job. `undefined` if it is unreadable. Never throws. */
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
 * Replaces unreadable data with what the job's id contains, so the dead event can be listed.
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

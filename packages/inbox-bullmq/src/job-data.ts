import { isUtf8 } from 'node:buffer'
import { createHash, randomBytes } from 'node:crypto'
import type { InboxEvent } from '@scrapenest-webhooks/core'
import type { AttemptError } from '@scrapenest-webhooks/inbox'

/** An event as it is kept in a job. */
export interface JobData {
  readonly name: string
  readonly eventId: string
  readonly messageId: string
  readonly sentAt: number
  readonly receivedAt: number
  readonly secretIndex: number
  /** These three are gone once the event is done, where `keepPayload` is false. */
  readonly signedHeaders?: Readonly<Record<string, string>>
  /** Text where the bytes are UTF-8, as JSON is: shorter than base64, and people can read it. */
  readonly body?: string
  readonly bodyBase64?: string
}

/** What a job has to say of itself beyond what BullMQ counts. It is the job's progress, which BullMQ leaves to us. */
export interface JobNotes {
  /** Claims that were no attempt: given back by a closing process, or postponed after the death of another. */
  readonly uncounted?: number
  /** How many of BullMQ's `stalledCounter` were dealt with. */
  readonly stalls?: number
  readonly replays?: number
  /** When it may be tried again, in milliseconds since 1970. */
  readonly dueAt?: number
  /** The last attempt that failed. */
  readonly failed?: {
    readonly attempt: number
    readonly replay: number
    readonly startedAt: number
    readonly durationMs: number
    readonly error: AttemptError
  }
}

/** What a job returns. */
export interface JobResult {
  readonly isUnhandled: boolean
}

export function toJobData(event: InboxEvent): JobData {
  const { name, eventId, messageId, sentAt, receivedAt, secretIndex, signedHeaders, body } = event
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const payload = isUtf8(bytes) ? { body: bytes.toString('utf8') } : { bodyBase64: bytes.toString('base64') }
  return {
    name,
    eventId,
    messageId,
    sentAt: sentAt.getTime(),
    receivedAt: receivedAt.getTime(),
    secretIndex,
    signedHeaders,
    ...payload,
  }
}

export function bodyOf({ body, bodyBase64 }: JobData): Buffer | undefined {
  if (body !== undefined) return Buffer.from(body, 'utf8')
  return bodyBase64 === undefined ? undefined : Buffer.from(bodyBase64, 'base64')
}

export function withoutPayload(data: JobData): JobData {
  const { signedHeaders: _headers, body: _body, bodyBase64: _bodyBase64, ...rest } = data
  return rest
}

/** The event of a job that still has its payload: every one that waits or runs does. */
export function toEvent(eventType: string, data: JobData): InboxEvent {
  const { name, eventId, messageId, sentAt, receivedAt, secretIndex, signedHeaders = {} } = data
  return {
    name,
    eventId,
    eventType,
    messageId,
    sentAt: new Date(sentAt),
    receivedAt: new Date(receivedAt),
    signedHeaders,
    body: bodyOf(data) ?? Buffer.alloc(0),
    secretIndex,
  }
}

/** Tells the ids of this process from those that another makes in the same millisecond. */
const processId = randomBytes(6).toString('hex')
let lastMs = 0
let countInMs = 0

/**
 * A new id for a job: its time first, so that ids sort as events were stored; then what makes it this process's, because an
 * id that exists is what BullMQ takes for its own; then the event, so that it is found when its duplicates are no longer
 * remembered. Never all digits, and without a colon, which BullMQ forbids.
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

export const jobIdForm: RegExp = /^e[0-9a-z]{13,}-[0-9a-f]{12}-.+$/

/** What the id of every job of this event ends with. */
export function jobIdSuffix(eventId: string): string {
  return `-${deduplicationId(eventId)}`
}

/** The event's id where it is short and plain, as ScrapeNest's are; a hash of it, told apart by its dot, where it is not. */
export function deduplicationId(eventId: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(eventId)) return eventId
  return `sha256.${createHash('sha256').update(eventId).digest('base64url')}`
}

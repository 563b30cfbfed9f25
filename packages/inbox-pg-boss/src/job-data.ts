import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { InboxEvent } from '@scrapenest-webhooks/core'
import type { AttemptError } from '@scrapenest-webhooks/inbox'

/** An event as it is kept in a job. */
export interface JobData {
  readonly name: string
  readonly eventId: string
  readonly eventType: string
  /** Id and type in JSON, where they hold what PostgreSQL's jsonb cannot: U+0000 or half of a surrogate pair. */
  readonly exact?: string
  readonly messageId: string
  /** Milliseconds since 1970, as `receivedAt`. */
  readonly sentAt: number
  readonly receivedAt: number
  readonly secretIndex: number
  readonly replays?: number
  /** These three are gone once the event is done, where `keepPayload` is false. */
  readonly signedHeaders?: Readonly<Record<string, string>>
  /** Text where the bytes are UTF-8, as JSON is: shorter than base64, and people can read it. */
  readonly body?: string
  readonly bodyBase64?: string
}

/** What a job's output says of its last attempt. */
export interface JobOutput {
  readonly attempt: number
  readonly replay: number
  readonly startedAt: number
  readonly durationMs: number
  readonly isUnhandled?: boolean
  /** As pg-boss's own pages show it. */
  readonly message?: string
  readonly error?: AttemptError
}

export function toJobData(event: InboxEvent): JobData {
  const { name, eventId, eventType, messageId, sentAt, receivedAt, secretIndex, signedHeaders, body } = event
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const text = isUtf8(bytes) && !bytes.includes(0) ? { body: bytes.toString('utf8') } : undefined
  const isExact = fitsJsonb(eventId) && fitsJsonb(eventType)
  return {
    name,
    eventId: toJsonb(eventId),
    eventType: toJsonb(eventType),
    ...(isExact ? {} : { exact: JSON.stringify([eventId, eventType]) }),
    messageId,
    sentAt: sentAt.getTime(),
    receivedAt: receivedAt.getTime(),
    secretIndex,
    signedHeaders,
    ...(text ?? { bodyBase64: bytes.toString('base64') }),
  }
}

/** The event of a job that still has its payload: every one that waits or runs does. */
export function toEvent(data: JobData): InboxEvent {
  const { name, messageId, sentAt, receivedAt, secretIndex, signedHeaders = {} } = data
  return {
    name,
    ...namesOf(data),
    messageId,
    sentAt: new Date(sentAt),
    receivedAt: new Date(receivedAt),
    signedHeaders,
    body: bodyOf(data) ?? Buffer.alloc(0),
    secretIndex,
  }
}

export function namesOf({ eventId, eventType, exact }: JobData): Pick<InboxEvent, 'eventId' | 'eventType'> {
  if (exact === undefined) return { eventId, eventType }
  const [id, type] = JSON.parse(exact) as [string, string]
  return { eventId: id, eventType: type }
}

export function bodyOf({ body, bodyBase64 }: JobData): Buffer | undefined {
  if (body !== undefined) return Buffer.from(body, 'utf8')
  return bodyBase64 === undefined ? undefined : Buffer.from(bodyBase64, 'base64')
}

/** The job's id: the same for every delivery of an event, so that PostgreSQL itself says which is a duplicate. */
export function jobIdOf({ name, eventId }: Pick<InboxEvent, 'name' | 'eventId'>): string {
  // A name holds no slash; JSON tells half surrogates apart, which UTF-8 cannot.
  const hash = createHash('sha256')
    .update(`${name}/${JSON.stringify(eventId)}`)
    .digest()
  // RFC 9562, 5.8: version 8 is for ids of one's own making.
  hash[6] = ((hash[6] as number) & 0x0f) | 0x80
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80
  const hex = hash.toString('hex', 0, 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** What a filter compares with what is stored. */
export function toJsonb(text: string): string {
  return fitsJsonb(text) ? text : text.replace(unfit, '\uFFFD')
}

function fitsJsonb(text: string): boolean {
  return text.search(unfit) === -1
}

/** U+0000, and half of a surrogate pair. */
const unfit = /\0|\p{Surrogate}/gu

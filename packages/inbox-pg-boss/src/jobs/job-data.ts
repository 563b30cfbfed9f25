import { createHash } from 'node:crypto'
import type { AttemptError } from '@scrapenest-webhooks/inbox'
import { type EventIdentity, type EventJson, eventKey } from '@scrapenest-webhooks/inbox/kit'

/** The data of a job: its event. */
export interface JobData extends EventJson {
  readonly replays?: number
}

/** The largest time of a `Date`, in milliseconds since 1970. */
const maxTimeMs = 8_640_000_000_000_000

/**
 * Validates the data of a job, which any other client of the database may have changed.
 *
 * @param stored parsed data or text, because the application can configure `pg` not to parse `jsonb`.
 * @throws {Error} with a message that names the unreadable field.
 */
export function readJobData(stored: unknown): JobData {
  const data = parseJson(stored) as Partial<JobData>
  if (typeof data !== 'object' || data === null) throw new Error('its data is not an object')
  const { name, scope = '', eventId, eventType, messageId, exact, sentAt, receivedAt, secretIndex } = data
  const { body, bodyBase64, signedHeaders, replays = 0 } = data
  expectAll({ name, scope, eventId, eventType, messageId }, isText, 'text')
  expectAll({ body: body ?? '', bodyBase64: bodyBase64 ?? '' }, isText, 'text')
  expectAll({ sentAt, receivedAt }, isTime, 'a time')
  expectAll({ secretIndex, replays }, Number.isSafeInteger, 'a whole number')
  expectAll({ signedHeaders: signedHeaders ?? {} }, isTexts, 'an object of strings')
  if (exact !== undefined) expectAll({ exact }, isTextsInJson, 'a JSON list of strings')
  return data as JobData
}

/** Parses a `jsonb` value, unless `pg` already has. */
export function parseJson(value: unknown): unknown {
  return typeof value === 'string' ? JSON.parse(value) : value
}

/** @param ms milliseconds since 1970, clamped to the range of a `Date`. */
export function toDate(ms: number): Date {
  return new Date(Number.isNaN(ms) ? 0 : Math.max(-maxTimeMs, Math.min(maxTimeMs, ms)))
}

function expectAll(fields: object, isExpected: (value: unknown) => boolean, expectation: string): void {
  for (const [field, value] of Object.entries(fields)) {
    if (!isExpected(value)) throw new Error(`its ${field} is not ${expectation}`)
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function isTime(value: unknown): boolean {
  return typeof value === 'number' && Math.abs(value) <= maxTimeMs
}

function isTextsInJson(value: unknown): boolean {
  try {
    return Array.isArray(parseJson(value)) && isTexts(parseJson(value))
  } catch {
    // Not rethrown, because the message of a SyntaxError quotes the data.
    return false
  }
}

function isTexts(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.values(value).every(isText)
}

/** The output of a job: its last attempt. */
export interface JobOutput {
  readonly attempt: number
  readonly replay: number
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly durationMs: number
  readonly isUnhandled?: boolean
  /** Shown by pg-boss's dashboard. */
  readonly message?: string
  readonly error?: AttemptError
}

/** The id of an event's job. It is the same for every delivery, so PostgreSQL recognizes duplicates. */
export function jobIdOf(identity: EventIdentity): string {
  const hash = createHash('sha256').update(eventKey(identity)).digest()
  // RFC 9562, 5.8: version 8 is for custom ids.
  hash[6] = ((hash[6] as number) & 0x0f) | 0x80
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80
  const hex = hash.toString('hex', 0, 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

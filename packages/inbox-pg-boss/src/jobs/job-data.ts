import { createHash } from 'node:crypto'
import type { AttemptError } from '@scrapenest-webhooks/inbox'
import { type EventIdentity, type EventJson, eventKey } from '@scrapenest-webhooks/inbox/kit'

/** The data of a job: its event. */
export interface JobData extends EventJson {
  readonly replays?: number
}

/** The output of a job: its last attempt. */
export interface JobOutput {
  readonly attempt: number
  readonly replay: number
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly durationMs: number
  readonly isUnhandled?: boolean
  /** As pg-boss's own pages show it. */
  readonly message?: string
  readonly error?: AttemptError
}

/** The id of an event's job. It is the same for every delivery, so that PostgreSQL itself recognizes duplicates. */
export function jobIdOf(identity: EventIdentity): string {
  const hash = createHash('sha256').update(eventKey(identity)).digest()
  // RFC 9562, 5.8: version 8 is for custom ids.
  hash[6] = ((hash[6] as number) & 0x0f) | 0x80
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80
  const hex = hash.toString('hex', 0, 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

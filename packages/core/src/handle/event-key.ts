import { createHash } from 'node:crypto'

/** Identifies an event: two events with the same name, scope and id are duplicates. */
export interface EventIdentity {
  /** The receiver's name. Contains neither `/` nor `#`. */
  readonly name: string
  /** The tenant whose secret signed it. Absent or empty without tenants. */
  readonly scope?: string | undefined
  /** The `event_id`, exactly as received. */
  readonly eventId: string
}

/** In UTF-16 code units. Bounded, because senders choose the id and a store may keep millions of keys. */
const maxPlainLength = 256

/**
 * The key of an event, for stores and queues: well-formed text of at most 400 characters, unique per event. The id stays
 * readable if it is short and well-formed, as ScrapeNest's ids are.
 */
export function eventKey({ name, scope = '', eventId }: EventIdentity): string {
  // JSON, because either text may contain any separator.
  return scope === '' ? `${name}/${keyText(eventId)}` : `${name}#${keyText(JSON.stringify([scope, eventId]))}`
}

/**
 * Returns the text if every store can hold it exactly, otherwise a hash. Different texts yield different results. Not
 * every store can hold long texts, U+0000 (PostgreSQL) or unpaired surrogates (UTF-8).
 */
export function keyText(text: string): string {
  const isPlain = text.length <= maxPlainLength && !/[\0\p{Surrogate}]/u.test(text) && !text.startsWith('sha256:')
  if (isPlain) return text
  // JSON escapes unpaired surrogates; UTF-8 would replace them all with the same character.
  return `sha256:${createHash('sha256').update(JSON.stringify(text)).digest('base64url')}`
}

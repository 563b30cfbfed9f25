import { createHash } from 'node:crypto'

/** Identifies an event: two events with the same name, scope and id are duplicates. */
export interface EventIdentity {
  /** The receiver's name, which contains neither `/` nor `#`. */
  readonly name: string
  /** Which tenant's secret signed it; empty without tenants. */
  readonly scope?: string | undefined
  readonly eventId: string
}

/** In UTF-16 code units. Bounded, because the sender chooses the id, and a store may keep millions of keys. */
const maxPlainLength = 256

/**
 * The key of an event, for stores and queues: well-formed text of at most 400 characters, different for different events.
 * It contains the id in readable form if that is short and well-formed, as ScrapeNest's ids are.
 */
export function eventKey({ name, scope = '', eventId }: EventIdentity): string {
  // As JSON, because no character could separate the two safely.
  return scope === '' ? `${name}/${keyText(eventId)}` : `${name}#${keyText(JSON.stringify([scope, eventId]))}`
}

/**
 * The text itself if every store can keep it exactly, otherwise a hash; different for different texts. Not every store can
 * keep long texts, U+0000 (PostgreSQL) or half a surrogate pair (UTF-8).
 */
export function keyText(text: string): string {
  const isPlain = text.length <= maxPlainLength && !/[\0\p{Surrogate}]/u.test(text) && !text.startsWith('sha256:')
  if (isPlain) return text
  // JSON escapes unpaired surrogates, which UTF-8 cannot tell apart.
  return `sha256:${createHash('sha256').update(JSON.stringify(text)).digest('base64url')}`
}

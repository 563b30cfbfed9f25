import { createHash } from 'node:crypto'

/** What makes an event unique: two events with all three in common are duplicates. */
export interface EventIdentity {
  /** The receiver's name, which contains neither `/` nor `#`. */
  readonly name: string
  /** Which tenant's secret signed it; empty without tenants. */
  readonly scope?: string | undefined
  readonly eventId: string
}

/** In UTF-16 code units: a sender chooses the id, and a store keeps millions of keys. */
const maxPlainLength = 256

/**
 * The key of an event, for stores and queues: well-formed text of at most 400 characters, different for different events.
 * It contains the id in readable form if that is short and well-formed, as ScrapeNest's ids are.
 */
export function eventKey({ name, scope = '', eventId }: EventIdentity): string {
  // JSON tells the two apart, whatever they contain.
  return scope === '' ? `${name}/${keyText(eventId)}` : `${name}#${keyText(JSON.stringify([scope, eventId]))}`
}

/**
 * The text itself if every store keeps it exactly, otherwise a hash of it; different for different texts. Stores cannot keep
 * U+0000 (PostgreSQL) or half of a surrogate pair (UTF-8).
 */
export function keyText(text: string): string {
  const isPlain = text.length <= maxPlainLength && !/[\0\p{Surrogate}]/u.test(text) && !text.startsWith('sha256:')
  if (isPlain) return text
  // JSON escapes half surrogates, which UTF-8 cannot tell apart.
  return `sha256:${createHash('sha256').update(JSON.stringify(text)).digest('base64url')}`
}

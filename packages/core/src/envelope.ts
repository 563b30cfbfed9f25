import { isAscii } from 'node:buffer'
import { WebhookError } from './errors.ts'
import type { WebhookEvent } from './events.ts'

// Strict: an invalid byte is an error and never a replacement character. A byte order mark is skipped (RFC 8259, 8.1).
const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Reads the event out of verified bytes. Only what dispatch needs is checked: that it is a JSON object with an
 * `event_type`. An `event_id` that is absent is replaced by the message id, which is signed as well.
 *
 * @throws {WebhookError} `envelope_invalid`
 */
export function parseEnvelope(body: Uint8Array, messageId: string): WebhookEvent {
  const envelope = parseJson(body)
  if (Object(envelope) !== envelope || Array.isArray(envelope)) {
    throw new WebhookError('envelope_invalid', 'no JSON object.')
  }
  const event = envelope as Record<string, unknown>
  if (!isName(event['event_type'])) {
    throw new WebhookError('envelope_invalid', 'no event_type.')
  }
  if (!isName(event['event_id'])) event['event_id'] = messageId
  // The remaining fields are the sender's promise and stay as they came.
  return event as unknown as WebhookEvent
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

/** A `__proto__` is inert as long as nobody copies it: `Object.assign` would make it the copy's prototype. Fastify refuses it. */
function withoutPrototype(name: string, value: unknown): unknown {
  return name === '__proto__' ? undefined : value
}

/** In plain letters, or with any of its characters as an escape. Two searches, because one regular expression takes as long as the parser. */
function mayNamePrototype(text: string): boolean {
  return text.includes('__proto__') || text.includes('\\u00')
}

function parseJson(body: Uint8Array): unknown {
  let text: string
  try {
    // Of ASCII, which nearly all JSON is, Latin-1 makes the same text without looking at each byte twice.
    text = isAscii(body) ? Buffer.prototype.latin1Slice.call(body) : utf8.decode(body)
  } catch (cause) {
    throw new WebhookError('envelope_invalid', 'not UTF-8.', { cause })
  }
  try {
    return JSON.parse(text, mayNamePrototype(text) ? withoutPrototype : undefined)
  } catch {
    // V8's message quotes the text, and the text may hold a download_url: it is left out.
    throw new WebhookError('envelope_invalid', 'not JSON.')
  }
}

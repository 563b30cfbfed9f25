import { WebhookError } from '../errors.ts'
import type { WebhookEvent } from '../events.ts'

// Strict: an invalid byte is an error, not a replacement character. Skips a byte order mark (RFC 8259, 8.1).
const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Parses an event from verified bytes. Checks only what dispatch needs: a JSON object with an `event_type`. A missing
 * `event_id` is replaced with the message id, which is also signed.
 *
 * @throws {WebhookError} `envelope_invalid`
 */
export function parseEnvelope(body: Uint8Array, messageId: string): WebhookEvent {
  const envelope = parseJson(body)
  if (typeof envelope !== 'object' || envelope === null || Array.isArray(envelope)) {
    throw new WebhookError('envelope_invalid', 'It is not a JSON object.')
  }
  const event = envelope as Record<string, unknown>
  if (!isName(event['event_type'])) throw new WebhookError('envelope_invalid', 'It has no event_type.')
  if (!isName(event['event_id'])) event['event_id'] = messageId
  return event as unknown as WebhookEvent
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function parseJson(body: Uint8Array): unknown {
  let text: string
  try {
    text = utf8.decode(body)
  } catch (cause) {
    throw new WebhookError('envelope_invalid', 'It is not UTF-8.', { cause })
  }
  const value = parse(text)
  // Each level takes at least two characters.
  if (text.length > 2 * maxDepth && isDeeperThan(maxDepth, value)) {
    throw new WebhookError('envelope_invalid', `It is nested more than ${maxDepth} levels deep.`)
  }
  return mayNamePrototype(text) ? parse(text, withoutPrototype) : value
}

function parse(text: string, reviver?: typeof withoutPrototype): unknown {
  try {
    return JSON.parse(text, reviver)
  } catch {
    // No cause: V8's message quotes the text, which may contain a download_url.
    throw new WebhookError('envelope_invalid', 'It is not JSON.')
  }
}

/** `JSON.parse` accepts any depth, but later code (a reviver, `JSON.stringify`, a schema) may recurse. */
const maxDepth = 512

/** Level by level, without recursion. */
function isDeeperThan(limit: number, value: unknown): boolean {
  let level = [value].filter(isObject)
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth === limit) return true
    level = level.flatMap((parent) => Object.values(parent).filter(isObject))
  }
  return false
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** Drops `__proto__`: `Object.assign` would make it the prototype of a copy. Fastify's parser refuses it too. */
function withoutPrototype(name: string, value: unknown): unknown {
  return name === '__proto__' ? undefined : value
}

/** Whether `__proto__` may occur, literally or escaped. Checked first: a reviver makes parsing several times slower. */
function mayNamePrototype(text: string): boolean {
  return text.includes('__proto__') || text.includes('\\u00')
}

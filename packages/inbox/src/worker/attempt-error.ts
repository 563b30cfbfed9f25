import { isWebhookError } from '@scrapenest-webhooks/core'
import { codeOf } from '@scrapenest-webhooks/core/adapter'
import type { AttemptError } from '../contract.ts'
import { toStorableText } from '../storable-text.ts'

/** Limits the stored text per attempt, because a message or stack can have any length. In UTF-16 code units. */
const maxTextLength = 8192

/**
 * Converts any thrown value to text that can be stored. Stores the handler's own error rather than the `handler_failed`
 * that wraps it. Never throws.
 */
export function toAttemptError(error: unknown): AttemptError {
  const code = codeOf(error) ?? 'handler_failed'
  const thrown = isWebhookError(error) && code === 'handler_failed' ? read(error, 'cause') : error
  if (!isErrorLike(thrown)) return { code, name: typeof thrown, message: toText(thrown) }
  const stack = read(thrown, 'stack')
  return {
    code,
    name: toText(read(thrown, 'name') ?? 'Error'),
    message: messageOf(thrown),
    ...(typeof stack === 'string' ? { stack: toText(stack) } : {}),
  }
}

/** The error of an attempt whose lease expired. */
export const leaseEnded: AttemptError = {
  code: 'lease_ended',
  name: 'LeaseEndedError',
  message: 'The process that was handling the event died or stalled past its lease.',
}

/** The error of an attempt on an unreadable event. */
export function eventUnreadable(cause: unknown): AttemptError {
  const { message } = toAttemptError(cause)
  return {
    code: 'event_unreadable',
    name: 'EventUnreadableError',
    message: `The stored event cannot be read, so no handler was called: ${message}`,
  }
}

/** Checks fields instead of `instanceof`, because an error from another realm (Jest, `node:vm`) has another constructor. */
function isErrorLike(value: unknown): value is object {
  return Object(value) === value && (read(value, 'message') !== undefined || read(value, 'stack') !== undefined)
}

/** The message, followed by the errors in an AggregateError. */
function messageOf(error: object): string {
  const parts = [read(error, 'message') ?? '']
  const inner = read(error, 'errors')
  try {
    if (Array.isArray(inner)) for (const one of inner.slice(0, 10)) parts.push(one)
  } catch {
    // A proxy that throws.
  }
  return toText(parts.map(toText).join(' '))
}

/** A thrown value can be anything, including a proxy or an object with a getter that throws. */
function read(value: unknown, field: string): unknown {
  try {
    return (value as Record<string, unknown>)[field]
  } catch {
    return undefined
  }
}

function toText(value: unknown): string {
  let text: string
  try {
    text = String(value)
  } catch {
    text = 'a value that cannot be shown as text'
  }
  if (text.length <= maxTextLength) return toStorableText(text)
  // Never cuts a surrogate pair in half.
  return `${toStorableText(text.slice(0, maxTextLength).replace(/[\uD800-\uDBFF]$/, ''))}…`
}

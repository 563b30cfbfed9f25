import { isWebhookError } from '@scrapenest-webhooks/core'
import { codeOf } from '@scrapenest-webhooks/core/adapter'
import type { AttemptError } from './contract.ts'

/** A message or a stack can be of any length, and eight attempts keep one each. */
const maxTextLength = 8192

/** What is stored of a failure. The handler's own error is told, not the one of ours around it. */
export function toAttemptError(error: unknown): AttemptError {
  const code = codeOf(error) ?? 'handler_failed'
  const told = isWebhookError(error) && error.code === 'handler_failed' ? error.cause : error
  if (!(told instanceof Error)) return { code, name: typeof told, message: clipped(textOf(told)) }
  const message = told instanceof AggregateError ? [told.message, ...told.errors.map(textOf)].join(' ') : told.message
  return {
    code,
    name: told.name,
    message: clipped(message),
    ...(told.stack === undefined ? {} : { stack: clipped(told.stack) }),
  }
}

/** The end of an attempt of which nothing more is known. */
export const leaseEnded: AttemptError = {
  code: 'lease_ended',
  name: 'LeaseEndedError',
  message: 'The process that handled the event ended, or was blocked for longer than its lease.',
}

/** A handler may throw anything, also what cannot be turned into text. */
function textOf(value: unknown): string {
  try {
    return String(value)
  } catch {
    return 'a value without text'
  }
}

function clipped(text: string): string {
  return text.length > maxTextLength ? `${text.slice(0, maxTextLength)}…` : text
}

import type { WebhookReply } from '@scrapenest-webhooks/core'

/**
 * The reply table, copied from the documentation instead of imported, because a test that takes its expectations from the code
 * finds nothing.
 */
/** Without `secret_not_found`: the sender receives `signature_mismatch`, so that it cannot learn which tenants exist. */
const errorStatus: Readonly<Record<string, number>> = {
  body_aborted: 400,
  body_timeout: 408,
  body_too_large: 413,
  configuration_invalid: 500,
  content_encoding_unsupported: 415,
  content_type_unsupported: 415,
  duplicate_header: 400,
  envelope_invalid: 400,
  event_in_progress: 409,
  handler_failed: 500,
  handler_timeout: 503,
  message_id_invalid: 400,
  method_not_allowed: 405,
  missing_header: 400,
  no_supported_signature: 400,
  raw_body_unavailable: 500,
  receiver_closing: 503,
  retry_later: 503,
  schema_mismatch: 500,
  secret_unavailable: 503,
  signature_mismatch: 400,
  source_not_allowed: 403,
  store_unavailable: 503,
  timestamp_invalid: 400,
  timestamp_outside_tolerance: 400,
}

const acknowledgements: ReadonlySet<string> = new Set(['accepted', 'duplicate', 'dropped'])

/** The code or acknowledgement in a reply. */
export function resultOf(reply: Pick<WebhookReply, 'body'>): string {
  const { status, error } = JSON.parse(reply.body) as { status?: string; error?: string }
  return status ?? error ?? ''
}

/** @returns why a reply is not in the table, or undefined if it is. */
export function outsideTable(reply: WebhookReply): string | undefined {
  const problem = problemOf(reply)
  return problem === undefined ? undefined : `${problem}: ${JSON.stringify(reply)}`
}

function problemOf(reply: WebhookReply): string | undefined {
  if (typeof reply?.body !== 'string') return 'the body is not text'
  const { status, headers, body } = reply
  const result = resultOf(reply)
  const isAcknowledgement = acknowledgements.has(result)
  const expected = isAcknowledgement ? { status: result } : { error: result }
  if (body !== JSON.stringify(expected)) return 'the body has an unexpected form'
  if (status !== (isAcknowledgement ? 202 : errorStatus[result])) return 'the status is not that of the code'
  return problemOfHeaders(result, headers, isAcknowledgement ? 0 : status)
}

function problemOfHeaders(
  result: string,
  headers: Readonly<Record<string, string>>,
  status: number,
): string | undefined {
  const { 'content-type': contentType, allow, 'retry-after': retryAfter, connection, ...others } = headers
  if (contentType !== 'application/json; charset=utf-8') return 'the content type is wrong'
  if ((allow === 'POST') !== (result === 'method_not_allowed')) return 'allow is wrong'
  const asksToWait = status === 409 || status === 503
  if (asksToWait !== (retryAfter !== undefined)) return 'retry-after is wrong'
  if (retryAfter !== undefined && !/^[1-9][0-9]{0,9}$/.test(retryAfter)) return 'retry-after is not a number of seconds'
  if (connection !== undefined && connection !== 'close') return 'connection is wrong'
  return Object.keys(others).length === 0 ? undefined : 'there are headers that are not in the table'
}

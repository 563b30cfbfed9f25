import { type Acknowledgement, codeOf, retryAfterSecondsOf, rowOf } from '../errors.ts'

/** The reply that the host must send, byte for byte. `body` is never empty: Koa would turn a null body into 204. */
export interface WebhookReply {
  readonly status: ReplyStatus
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The statuses in the table in `errors.ts`, and 404 for paths other than the webhook's. */
type ReplyStatus = ReturnType<typeof rowOf>['status'] | 404

/** How a delivery ended: acknowledged, possibly without a handler for its event, or with an error. */
export type Outcome =
  | { readonly acknowledgement: Acknowledgement; readonly isUnhandled?: boolean }
  | { readonly error: unknown }

const acknowledgements: Readonly<Record<Acknowledgement, WebhookReply>> = {
  accepted: buildReply(202, { status: 'accepted' }),
  duplicate: buildReply(202, { status: 'duplicate' }),
  dropped: buildReply(202, { status: 'dropped' }),
}

export function replyTo(outcome: Outcome): WebhookReply {
  return 'error' in outcome ? errorReply(outcome.error) : acknowledgements[outcome.acknowledgement]
}

/** The reply to an error, from the table in `errors.ts`. Errors of other libraries count as a failed handler. */
export function errorReply(error: unknown): WebhookReply {
  const code = codeOf(error) ?? 'handler_failed'
  const row = rowOf(code)
  if ('acknowledgement' in row) return acknowledgements[row.acknowledgement]
  const body = { error: row.answeredAs ?? code }
  if ('allow' in row) return buildReply(row.status, body, { allow: row.allow })
  if (!('retryAfterSeconds' in row)) return buildReply(row.status, body)
  const seconds = code === 'retry_later' ? retryAfterSecondsOf(error) : row.retryAfterSeconds
  return buildReply(row.status, body, { 'retry-after': String(seconds) })
}

/** The reply for other paths, for adapters that are the whole server. It answers no delivery, so it has no code. */
export const notFoundReply: WebhookReply = buildReply(404, { error: 'not_found' })

/** The same reply, but it closes the connection, so that an unread body is not parsed as the next request. */
export function closingConnection(unclosed: WebhookReply): WebhookReply {
  return { ...unclosed, headers: { ...unclosed.headers, connection: 'close' } }
}

function buildReply(
  status: WebhookReply['status'],
  body: object,
  headers?: Readonly<Record<string, string>>,
): WebhookReply {
  return Object.freeze({
    status,
    // With a charset, because Express and Fastify would append one.
    headers: Object.freeze({ 'content-type': 'application/json; charset=utf-8', ...headers }),
    body: JSON.stringify(body),
  })
}

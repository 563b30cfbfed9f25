import { codeOf, retryAfterSecondsOf, statusOf } from './errors.ts'

/** What the host must answer, byte for byte. `body` is never empty or null: Koa turns a null body into 204. */
export interface WebhookReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What became of a delivery that is not to be sent again. */
export type Acknowledgement = 'accepted' | 'duplicate' | 'dropped'

export const acknowledgementReplies: Readonly<Record<Acknowledgement, WebhookReply>> = {
  accepted: reply(202, { status: 'accepted' }),
  duplicate: reply(202, { status: 'duplicate' }),
  dropped: reply(202, { status: 'dropped' }),
}

/** The reply to a failure. Anything but an error of ours says no more than that a handler failed. */
export function errorReply(failure: unknown): WebhookReply {
  const code = codeOf(failure)
  const status = statusOf.get(code)
  if (status === 202) return acknowledgementReplies.dropped
  if (status === undefined) return reply(500, { error: 'handler_failed' })
  if (status === 405) return reply(status, { error: code }, { allow: 'POST' })
  // In progress: as long as ScrapeNest itself waits for a reply. Out of reach: a store fails over, a process restarts.
  const seconds = status === 409 ? 10 : status === 503 ? retryAfterSecondsOf(failure) : 0
  return reply(status, { error: code }, seconds > 0 ? { 'retry-after': String(seconds) } : undefined)
}

/** Where the adapter is the whole server and the path is another: no delivery, so no code of a delivery. */
export const notFoundReply: WebhookReply = reply(404, { error: 'not_found' })

/** The same reply, and the connection ends with it: what is left of an unread body must not be taken for the next request. */
export function closingConnection(reply: WebhookReply): WebhookReply {
  return { ...reply, headers: { ...reply.headers, connection: 'close' } }
}

function reply(status: number, body: object, headers?: Readonly<Record<string, string>>): WebhookReply {
  return Object.freeze({
    status,
    // `application/json` written out in full: Express and Fastify append a charset of their own to a shorter value.
    headers: Object.freeze({ 'content-type': 'application/json; charset=utf-8', ...headers }),
    body: JSON.stringify(body),
  })
}

import { randomUUID } from 'node:crypto'
import { type Secret, sign } from '@scrapenest-webhooks/core'

/** One signed request, ready to be sent: with `fetch`, `app.inject`, supertest, or as `receiver.receive` takes it. */
export interface SignedDelivery {
  readonly method: 'POST'
  readonly headers: Record<string, string>
  /** Exact bytes, of a type that `fetch` takes with and without the types of the DOM. */
  readonly body: Buffer<ArrayBuffer>
}

export interface SignDeliveryOptions {
  readonly secret: Secret
  /** `svix-id`. @default a new one at each call */
  readonly id?: string
  /** When the delivery is signed; set it back to make a stale one. @default now */
  readonly sentAt?: Date
  /** A second secret signs as well, as during a rotation. */
  readonly alsoSignedWith?: Secret
}

/**
 * Signs a delivery as ScrapeNest does.
 *
 * @param payload an event, which is sent as JSON; or text or bytes, which are sent as they are.
 *
 * @example
 * const { headers, body } = signDelivery(createEvent('job.completed'), { secret })
 * const response = await app.inject({ method: 'POST', url: '/webhooks/scrapenest', headers, payload: body })
 */
export function signDelivery(payload: object | string | Uint8Array, options: SignDeliveryOptions): SignedDelivery {
  const { secret, id = `msg_${randomUUID().replaceAll('-', '')}`, sentAt = new Date(), alsoSignedWith } = options
  const body = toBytes(payload)
  const message = { id, timestamp: sentAt, body }
  const headers: Record<string, string> = { 'content-type': 'application/json', ...sign(message, secret) }
  if (alsoSignedWith !== undefined) headers['svix-signature'] += ` ${sign(message, alsoSignedWith)['svix-signature']}`
  return { method: 'POST', headers, body }
}

/**
 * Sends a delivery over HTTP.
 *
 * @returns the status and the parsed reply, as `{ status: 202, reply: { status: 'accepted' } }`.
 */
export async function deliver(
  url: string,
  delivery: SignedDelivery,
): Promise<{ readonly status: number; readonly reply: unknown; readonly headers: Headers }> {
  const response = await fetch(url, delivery)
  const text = await response.text()
  return { status: response.status, reply: parsed(text), headers: response.headers }
}

function toBytes(payload: object | string | Uint8Array): Buffer<ArrayBuffer> {
  if (payload instanceof Uint8Array) return Buffer.from(payload)
  return Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload), 'utf8')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

import { randomUUID } from 'node:crypto'
import { types } from 'node:util'
import { type Secret, sign } from '@scrapenest-webhooks/core'

/** A signed request for `fetch`, `app.inject`, or supertest, which needs `.serialize((bytes) => bytes)` before `.send(body)`. */
export interface SignedDelivery {
  readonly method: 'POST'
  readonly headers: Record<string, string>
  /** The exact bytes. `fetch` accepts this type with and without the DOM types. */
  readonly body: Buffer<ArrayBuffer>
}

/** The options of `signDelivery`. */
export interface SignDeliveryOptions {
  /** The signing secret, `whsec_…`. */
  readonly secret: Secret
  /**
   * The `svix-id`.
   * @default a new one for each call
   */
  readonly id?: string
  /**
   * The signed timestamp. A time in the past makes the delivery stale.
   * @default now
   */
  readonly sentAt?: Date
  /**
   * A second secret that also signs the delivery, as during a rotation.
   * @default undefined: one signature
   */
  readonly alsoSignedWith?: Secret
}

/**
 * Signs a delivery as ScrapeNest does.
 *
 * @param payload an event, which is sent as JSON, or text or bytes, which are sent unchanged.
 * @throws {ConfigurationError} `configuration_invalid`: a secret, `id` or `sentAt` is malformed.
 *
 * @example
 * const { headers, body } = signDelivery(createEvent('job.completed'), { secret })
 * const response = await app.inject({ method: 'POST', url: '/webhooks/scrapenest', headers, payload: body })
 */
export function signDelivery(
  payload: object | string | Uint8Array | ArrayBuffer,
  options: SignDeliveryOptions,
): SignedDelivery {
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
 * @returns the status, the reply (parsed if it is JSON) and the headers:
 * `{ status: 202, reply: { status: 'accepted' }, headers }`.
 */
export async function deliver(
  url: string,
  delivery: SignedDelivery,
): Promise<{ readonly status: number; readonly reply: unknown; readonly headers: Headers }> {
  const response = await fetch(url, delivery)
  const text = await response.text()
  return { status: response.status, reply: parseReply(text), headers: response.headers }
}

function toBytes(payload: object | string | Uint8Array | ArrayBuffer): Buffer<ArrayBuffer> {
  // Copied. Not checked with `instanceof`, because the bytes may come from another realm, such as a test runner's.
  if (ArrayBuffer.isView(payload)) {
    return Buffer.from(new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength))
  }
  if (types.isAnyArrayBuffer(payload)) return Buffer.from(new Uint8Array(payload))
  return Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload), 'utf8')
}

function parseReply(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

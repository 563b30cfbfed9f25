import { types } from 'node:util'
import { checkWholeNumber, unexpected } from '../check.ts'
import { hmac, parseSecret, type Secret } from './secret.ts'
import { isMessageId } from './signed-headers.ts'
import { toBytes, type WebhookMessage } from './verify.ts'

/** The three headers of a signed delivery. A type alias, because an interface is not assignable to `WebhookHeaders`. */
export type SignatureHeaders = {
  readonly 'svix-id': string
  readonly 'svix-timestamp': string
  readonly 'svix-signature': string
}

/**
 * Signs a delivery as ScrapeNest does: for tests, a local sender, or a proxy that re-signs deliveries.
 *
 * @param message.id 1 to 256 printable ASCII characters, without periods or commas.
 * @param message.timestamp Unix time in whole SECONDS (`Math.floor(Date.now() / 1000)`), or a `Date`.
 * @param message.body bytes, or a string to be sent as UTF-8.
 * @param secret the endpoint's signing secret, `whsec_…`.
 * @throws {ConfigurationError} `configuration_invalid`: the secret, the id or the timestamp is malformed.
 * @throws {WebhookError} `raw_body_unavailable`: the body is neither bytes nor a string.
 */
export function sign(
  message: { readonly id: string; readonly timestamp: number | Date; readonly body: WebhookMessage['body'] },
  secret: Secret,
): SignatureHeaders {
  const { id, body } = message
  if (!isMessageId(id)) throw unexpected('the id', id, '1 to 256 printable ASCII characters without "." or ","')
  // Also recognizes a Date from another realm (Jest, `node:vm`), which is not an instance of this one's.
  const timestamp = types.isDate(message.timestamp) ? Math.floor(message.timestamp.getTime() / 1000) : message.timestamp
  checkWholeNumber('the timestamp', timestamp, { min: 0 })
  const bytes = toBytes(typeof body === 'string' ? Buffer.from(body) : body)
  const signature = hmac(parseSecret(secret).keys[0], `${id}.${timestamp}.`, bytes).toString()
  return { 'svix-id': id, 'svix-timestamp': String(timestamp), 'svix-signature': `v1,${signature}` }
}

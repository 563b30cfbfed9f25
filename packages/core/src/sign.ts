import { toBytes } from './bytes.ts'
import { checkWholeNumber } from './check-options.ts'
import { parseSecret, type Secret } from './secret.ts'

/** The three headers of a signed delivery. A type alias, because an interface would not be accepted as `WebhookHeaders`. */
export type SignatureHeaders = {
  readonly 'svix-id': string
  readonly 'svix-timestamp': string
  readonly 'svix-signature': string
}

/**
 * Signs a delivery as ScrapeNest does: for tests, for a local sender, for a proxy that signs anew.
 *
 * @param message.timestamp Unix time in whole SECONDS (Date.now() / 1000, rounded down), or a `Date`.
 * @param message.body bytes, or a string that is sent as UTF-8.
 * @throws {ConfigurationError} `configuration_invalid`: a malformed secret, or a timestamp that is no time.
 */
export function sign(
  message: { readonly id: string; readonly timestamp: number | Date; readonly body: Uint8Array | string },
  secret: Secret,
): SignatureHeaders {
  const { id, body } = message
  const timestamp =
    message.timestamp instanceof Date ? Math.floor(message.timestamp.getTime() / 1000) : message.timestamp
  checkWholeNumber('the timestamp', timestamp, { min: 0 })
  const mac = parseSecret(secret).decoded.mac(
    `${id}.${timestamp}.`,
    toBytes(typeof body === 'string' ? Buffer.from(body) : body),
  )
  return { 'svix-id': id, 'svix-timestamp': String(timestamp), 'svix-signature': `v1,${mac}` }
}

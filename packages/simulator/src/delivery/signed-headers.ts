import { createHmac } from 'node:crypto'
import { ConfigurationError, type Secret, sign } from '@scrapenest-webhooks/core'

/**
 * The HMAC key. ScrapeNest's guide decodes the base64 after `whsec_` (`decoded`). Its Python SDK 1.2.0 uses the text of the
 * secret (`text`). `both` sends one signature with each.
 */
export type SignatureKey = 'decoded' | 'text' | 'both'

/** @throws {ConfigurationError} `configuration_invalid` */
export function checkSignatureKey(value: SignatureKey): SignatureKey {
  if (['decoded', 'text', 'both'].includes(value)) return value
  throw new ConfigurationError(`Expected signatureKey to be 'decoded', 'text' or 'both', got ${JSON.stringify(value)}.`)
}

/** The signed headers of one attempt, with one signature per secret and key, separated by spaces. */
export function signedHeaders(
  message: { readonly id: string; readonly sentAt: Date; readonly body: Uint8Array },
  { secrets, signatureKey }: { readonly secrets: readonly Secret[]; readonly signatureKey: SignatureKey },
): Record<string, string> {
  const timestamp = Math.floor(message.sentAt.getTime() / 1000)
  const signatures = secrets.flatMap((secret) => [
    ...(signatureKey === 'text' ? [] : [sign({ ...message, timestamp }, secret)['svix-signature']]),
    ...(signatureKey === 'decoded' ? [] : [signWithText({ ...message, timestamp }, secret)]),
  ])
  return { 'svix-id': message.id, 'svix-timestamp': String(timestamp), 'svix-signature': signatures.join(' ') }
}

function signWithText(
  { id, timestamp, body }: { readonly id: string; readonly timestamp: number; readonly body: Uint8Array },
  secret: Secret,
): string {
  return `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(body).digest('base64')}`
}

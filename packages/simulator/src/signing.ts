import { createHmac } from 'node:crypto'
import { type Secret, sign } from '@scrapenest-webhooks/core'

/**
 * What the HMAC is keyed with. ScrapeNest's guide decodes the base64 after `whsec_`; its Python SDK 1.2.0 takes the text
 * of the secret as it stands.
 */
export type SignatureKey = 'decoded' | 'text' | 'both'

/** The signed headers of one attempt: one signature for each secret and each kind of key, separated by spaces. */
export function signedHeaders(
  message: { readonly id: string; readonly sentAt: Date; readonly body: Uint8Array },
  { secrets, signatureKey }: { readonly secrets: readonly Secret[]; readonly signatureKey: SignatureKey },
): Record<string, string> {
  const timestamp = Math.floor(message.sentAt.getTime() / 1000)
  const signatures = secrets.flatMap((secret) => [
    ...(signatureKey === 'text' ? [] : [sign({ ...message, timestamp }, secret)['svix-signature']]),
    ...(signatureKey === 'decoded' ? [] : [textKeyed({ ...message, timestamp }, secret)]),
  ])
  return { 'svix-id': message.id, 'svix-timestamp': String(timestamp), 'svix-signature': signatures.join(' ') }
}

function textKeyed(
  { id, timestamp, body }: { readonly id: string; readonly timestamp: number; readonly body: Uint8Array },
  secret: Secret,
): string {
  return `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(body).digest('base64')}`
}

import type { WebhookEvent } from '@scrapenest-webhooks/core'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** The event that stored bytes hold, for a person to look at; `undefined` where they hold none. */
export function readEnvelope(body: Uint8Array): WebhookEvent | undefined {
  try {
    return JSON.parse(utf8.decode(body))
  } catch {
    return undefined
  }
}

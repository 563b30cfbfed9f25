import { isWebhookError, verify, verifyEvent, type WebhookErrorCode } from '@scrapenest-webhooks/core'
import { messageOf } from '@scrapenest-webhooks/core/adapter'
import type { CapturedDelivery } from './captured-delivery.ts'
import { findAlteration } from './find-alteration.ts'

export interface Accepted {
  readonly isValid: true
  readonly messageId: string
  readonly sentAt: Date
  readonly secretIndex: number
  readonly event: { readonly event_type: string; readonly event_id: string } | { readonly problem: string }
}

export interface Refused {
  readonly isValid: false
  readonly code: WebhookErrorCode
  readonly message: string
  /** How the body was probably modified. */
  readonly hint: string | undefined
}

/** @throws {ConfigurationError} `configuration_invalid`: a secret is malformed. */
export function judge(delivery: CapturedDelivery): Accepted | Refused {
  const { headers, body, secrets, settings } = delivery
  try {
    const { messageId, sentAt, secretIndex } = verify({ headers, body }, secrets, settings)
    return { isValid: true, messageId, sentAt, secretIndex, event: readEvent(delivery) }
  } catch (error) {
    if (!isWebhookError(error) || error.code === 'configuration_invalid') throw error
    const { code, message } = error
    return { isValid: false, code, message, hint: code === 'signature_mismatch' ? findAlteration(delivery) : undefined }
  }
}

/** A valid signature may cover bytes that are not an event. */
function readEvent({ headers, body, secrets, settings }: CapturedDelivery): Accepted['event'] {
  try {
    const { event_type, event_id } = verifyEvent({ headers, body }, secrets, settings)
    return { event_type, event_id }
  } catch (error) {
    return { problem: messageOf(error) }
  }
}

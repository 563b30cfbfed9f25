import type { WebhookErrorCode } from '../src/index.ts'

const codes: Readonly<Record<WebhookErrorCode, true>> = {
  body_aborted: true,
  body_timeout: true,
  body_too_large: true,
  configuration_invalid: true,
  content_encoding_unsupported: true,
  duplicate_header: true,
  envelope_invalid: true,
  event_in_progress: true,
  handler_failed: true,
  handler_timeout: true,
  message_id_invalid: true,
  method_not_allowed: true,
  missing_header: true,
  no_supported_signature: true,
  permanent_failure: true,
  raw_body_unavailable: true,
  receiver_closing: true,
  retry_later: true,
  schema_mismatch: true,
  secret_not_found: true,
  secret_unavailable: true,
  signature_mismatch: true,
  source_not_allowed: true,
  store_unavailable: true,
  timestamp_invalid: true,
  timestamp_outside_tolerance: true,
}

/** The closed list of codes, as it is promised. */
export const allCodes = Object.keys(codes) as readonly WebhookErrorCode[]

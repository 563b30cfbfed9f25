import {
  type ArtifactReadyData,
  isWebhookError,
  type JobCompletedData,
  type JobCreatedData,
  type ScrapeNestEvent,
  type ScrapeNestEvents,
  sign,
  type UnknownEvent,
  verify,
  verifyEvent,
} from '@scrapenest-webhooks/core'
import { same } from './same.js'

const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']

export function summaryOf(headers: Headers, body: Uint8Array): string {
  const event = verifyEvent({ headers, body }, secret, { toleranceSeconds: 600 })
  same<typeof event, ScrapeNestEvent | UnknownEvent>(true)
  same<typeof event.event_id, string>(true)
  same<typeof event.occurred_at, string | undefined>(true)
  switch (event.event_type) {
    case 'job.created':
      same<typeof event.data, JobCreatedData>(true)
      return event.data.target_url
    case 'job.completed':
      same<typeof event.data, JobCompletedData>(true)
      return event.data.status === 'failed' ? event.data.failure_reason : String(event.data.artifact_count)
    case 'artifact.ready':
      same<typeof event.data, ArtifactReadyData>(true)
      return event.data.download_url
    default: {
      // A type that this version does not know. Every switch needs this arm.
      same<typeof event, UnknownEvent>(true)
      same<typeof event.data, unknown>(true)
      const type: string = event.event_type
      return type
    }
  }
}

interface Events extends ScrapeNestEvents {
  readonly 'job.canceled': { readonly job_id: string; readonly canceled_by: string }
}

export function cancelerOf(headers: Record<string, string>, body: string): string | undefined {
  const event = verifyEvent<Events>({ headers, body }, [secret, undefined])
  return event.event_type === 'job.canceled' ? event.data.canceled_by : undefined
}

export function verifiedOrCode(body: string): string {
  const headers = sign({ id: 'msg_1', timestamp: new Date(), body }, 'whsec_c2VjcmV0')
  try {
    const { messageId, sentAt, body: bytes, secretIndex } = verify({ headers, body }, secret)
    same<typeof bytes, Uint8Array>(true)
    return [messageId, sentAt.toISOString(), bytes.byteLength, secretIndex].join()
  } catch (error) {
    if (!isWebhookError(error)) throw error
    switch (error.code) {
      case 'retry_later':
        same<typeof error.retryAfterSeconds, number>(true)
        return String(error.retryAfterSeconds)
      case 'schema_mismatch':
        same<typeof error.issues, readonly unknown[]>(true)
        return String(error.issues.length)
      case 'timestamp_outside_tolerance':
        return `${error.ageSeconds} of ${error.toleranceSeconds}`
      default:
        same<typeof error.code, 'retry_later' | 'schema_mismatch'>(false)
        return error.code
    }
  }
}

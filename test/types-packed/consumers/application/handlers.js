// JavaScript with JSDoc, checked by `checkJs`. It cannot pass type arguments, so the defaults must fit.
import { createReceiver, verifyEvent } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks } from '@scrapenest-webhooks/express'

/** @type {import('@scrapenest-webhooks/core').EventHandlers} */
export const onEvent = {
  'artifact.ready': ({ data }, delivery) => [data.download_url.length, delivery.messageId],
  'job.completed': ({ data }) => (data.status === 'failed' ? data.failure_reason : data.artifact_count),
  'job.*': (event) => event.data.job_id,
  // @ts-expect-error The data of job.created has no download_url.
  'job.created': ({ data }) => data.download_url,
}

/** @type {import('@scrapenest-webhooks/core').EventHandlers} */
export const misspelled = {
  // @ts-expect-error A misspelled event.
  'artifact.redy': () => {},
}

const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']
export const webhooks = scrapenestWebhooks({ path: '/webhooks/scrapenest', secret, onEvent })
export const receiver = createReceiver({ secret, onEvent })

/**
 * @param {Headers} headers
 * @param {Uint8Array} body
 */
export function urlOf(headers, body) {
  const event = verifyEvent({ headers, body }, secret)
  // @ts-expect-error A misspelled event.
  if (event.event_type === 'artifact.redy') return undefined
  return event.event_type === 'artifact.ready' ? event.data.download_url : undefined
}

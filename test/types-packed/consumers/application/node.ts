import { createServer } from 'node:http'
import { createReceiver } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks } from '@scrapenest-webhooks/node'

const path = '/webhooks/scrapenest'
const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']

const webhooks = scrapenestWebhooks({
  path,
  secret,
  onEvent: {
    'artifact.ready': ({ data }, { context }) => [context?.url, data.artifact_type],
    'job.completed': ({ data }) => (data.status === 'failed' ? data.failure_reason : data.artifact_count),
  },
})
webhooks.receiver.onEvent('job.*', (event, delivery) => [event.data.job_id, delivery.context?.method])

export const server = createServer(webhooks)
export const copy = createServer(scrapenestWebhooks({ path: '/copy', receiver: createReceiver({ secret }) }))

import { createReceiver } from '@scrapenest-webhooks/core'
import { captureRawBody, scrapenestWebhooks } from '@scrapenest-webhooks/express'
import express from 'express'

const path = '/webhooks/scrapenest'
const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']

const webhooks = scrapenestWebhooks({
  path,
  secret,
  onEvent: {
    'artifact.ready': ({ data }, { context }) => [context?.originalUrl, data.artifact_type],
    'job.completed': ({ data }) => (data.status === 'failed' ? data.failure_reason : data.artifact_count),
  },
})
webhooks.receiver.onEvent('job.*', (event, delivery) => [event.data.job_id, delivery.context?.ip])

const tenants = scrapenestWebhooks({
  secret: (request, context) => [request.url, context?.ip].join(),
  onUnknownEvent: ({ event_type, data }) => [event_type, data],
})

export function configure(): void {
  const app = express()
  app.use(express.json({ verify: captureRawBody }), express.urlencoded({ verify: captureRawBody }))
  app.use(webhooks)
  app.post('/webhooks/tenants', tenants)
  app.use(scrapenestWebhooks({ path: '/copy', receiver: createReceiver({ secret }) }))
  app.listen(3000)
}

import { createReceiver } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks } from '@scrapenest-webhooks/koa'
import Koa from 'koa'

const path = '/webhooks/scrapenest'
const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']

const webhooks = scrapenestWebhooks({
  path,
  secret,
  onEvent: {
    'artifact.ready': ({ data }, { context }) => [context?.path, data.artifact_type],
    'job.completed': ({ data }) => (data.status === 'failed' ? data.failure_reason : data.artifact_count),
  },
})
webhooks.receiver.onEvent('job.*', (event, delivery) => [event.data.job_id, delivery.context?.ip])

const ofAnyHost = scrapenestWebhooks({ path: '/copy', receiver: createReceiver({ secret }) })

export const app = new Koa().use(webhooks).use(ofAnyHost)

import { createReceiver, type ScrapeNestEvents } from '@scrapenest-webhooks/core'
import { PermanentError, scrapenestWebhooks } from '@scrapenest-webhooks/fastify'
import Fastify, { type FastifyRequest } from 'fastify'

const path = '/webhooks/scrapenest'
const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']

export async function serve(): Promise<string> {
  const app = Fastify({ logger: true })
  await app.register(scrapenestWebhooks, {
    path,
    secret,
    closeGraceMs: 5_000,
    onEvent: {
      'artifact.ready': ({ data }, { messageId, context }) => context?.log.info([messageId, data.artifact_type]),
      'job.completed': ({ data }) => {
        if (data.status === 'failed') throw new PermanentError(data.failure_reason)
        return data.artifact_count
      },
    },
  })
  app.scrapenest.onEvent('job.*', (event, delivery) => delivery.context?.log.info(event.data.job_id))

  const receiver = createReceiver<ScrapeNestEvents, FastifyRequest>({ secret })
  await app.register(scrapenestWebhooks, { path, prefix: '/v1', decorateAs: false, receiver })
  return await app.listen({ port: 3000 })
}

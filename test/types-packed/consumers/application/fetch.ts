import { createReceiver, generateSecret, memoryDuplicates, rotatingSecret } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks } from '@scrapenest-webhooks/core/fetch'

const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']

export const POST = scrapenestWebhooks({
  secret,
  duplicates: memoryDuplicates({ maxEvents: 500_000 }),
  onEvent: {
    'artifact.ready': ({ data }) => data.artifact_type,
    'job.completed': ({ data }) => (data.status === 'failed' ? data.failure_reason : data.artifact_count),
  },
})

/** The context of the router, as Hono's `c`. */
interface RouterContext {
  readonly req: { readonly raw: Request }
  readonly tenant: string
}

const webhooks = scrapenestWebhooks<RouterContext>({
  secret: (request, context) => `${request.url} ${context?.tenant}`,
  onEvent: { 'job.*': (event, { context }) => [event.data.job_id, context?.tenant] },
})
export const route = (c: RouterContext): Promise<Response> => webhooks(c.req.raw, c)

const { secret: current, onDelivery } = rotatingSecret({ load: async () => [generateSecret()] })
export const rotating = scrapenestWebhooks({ secret: current, onDelivery })
export const shared = scrapenestWebhooks({ path: '/webhooks', receiver: createReceiver({ secret }) })

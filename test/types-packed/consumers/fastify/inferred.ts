// Exports with inferred types, in an application whose only package of ours is the adapter.
import {
  ConfigurationError,
  type EventHandlers,
  isWebhookError,
  PermanentError,
  type ReceiverOptions,
  RetryLaterError,
  type ScrapeNestEvents,
  type ScrapenestWebhooksOptions,
  scrapenestWebhooks,
  WebhookError,
} from '@scrapenest-webhooks/fastify'
import Fastify, { type FastifyRequest } from 'fastify'

const path = '/webhooks/scrapenest'
const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']

const onEvent: EventHandlers<ScrapeNestEvents, FastifyRequest> = {
  'artifact.ready': ({ data }, { context }) => context?.log.info(data.job_id),
}

export const app = Fastify()
export const plugin = scrapenestWebhooks
export const options = { path, secret, onEvent } satisfies ScrapenestWebhooksOptions
export const registered = app.register(scrapenestWebhooks, options)

export const receiver = app.scrapenest
export const { onEvent: addHandler, receive, start, close, report } = app.scrapenest
export const chained = app.scrapenest.onEvent(['job.created', 'job.completed'], (event) => event.data.job_id)
export const reply = app.scrapenest.receive({ method: 'POST', headers: {}, body: () => new Uint8Array() })
export const artifactReady = onEvent['artifact.ready']
export const optionsOf = ({ onError, onDelivery, inbox, duplicates, secret }: ReceiverOptions<ScrapeNestEvents>) =>
  [onError, onDelivery, inbox, duplicates, secret] as const
export const withReceiver = (given: ScrapenestWebhooksOptions) => ('receiver' in given ? given : undefined)
export const failures = [new PermanentError('gone'), new RetryLaterError('busy', { retryAfterSeconds: 60 })]
export const invalid = new ConfigurationError('Expected a path.')
export const mismatch = new WebhookError('signature_mismatch')
export const asOurs = (error: unknown) => (isWebhookError(error) ? error : undefined)

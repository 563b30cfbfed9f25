// Exports with inferred types, in an application whose only package of ours is the adapter.
import { createServer, type IncomingMessage } from 'node:http'
import {
  ConfigurationError,
  type EventHandlers,
  isWebhookError,
  PermanentError,
  pathOf,
  type ReceiverOptions,
  RetryLaterError,
  readRawBody,
  type ScrapeNestEvents,
  type ScrapenestWebhooksOptions,
  scrapenestWebhooks,
  toWebhookRequest,
  WebhookError,
  writeReply,
} from '@scrapenest-webhooks/node'

const path = '/webhooks/scrapenest'
const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']

const onEvent: EventHandlers<ScrapeNestEvents, IncomingMessage> = {
  'artifact.ready': ({ data }, { context }) => [data.job_id, context?.url],
}

export const webhooks = scrapenestWebhooks({ path, secret, onEvent })
export const server = createServer(webhooks)
export const create = scrapenestWebhooks
export const options = { path, secret, onEvent } satisfies ScrapenestWebhooksOptions

export const receiver = webhooks.receiver
export const { onEvent: addHandler, receive, start, close, report } = webhooks.receiver
export const chained = webhooks.receiver.onEvent(['job.created', 'job.completed'], (event) => event.data.job_id)
export const reply = webhooks.receiver.receive({ method: 'POST', headers: {}, body: () => new Uint8Array() })
export const sharing = scrapenestWebhooks({ path: '/copy', receiver })
export const shared = sharing.receiver
export const artifactReady = onEvent['artifact.ready']
export const optionsOf = ({ onError, onDelivery, inbox, duplicates, secret }: ReceiverOptions<ScrapeNestEvents>) =>
  [onError, onDelivery, inbox, duplicates, secret] as const
export const withReceiver = (given: ScrapenestWebhooksOptions) => ('receiver' in given ? given : undefined)
export const kit = { pathOf, readRawBody, toWebhookRequest, writeReply }
export const requestOf = (request: IncomingMessage) =>
  toWebhookRequest(request, { kept: [], fix: 'None.', remoteAddress: () => undefined })
export const failures = [new PermanentError('gone'), new RetryLaterError('busy', { retryAfterSeconds: 60 })]
export const invalid = new ConfigurationError('Expected a path.')
export const mismatch = new WebhookError('signature_mismatch')
export const asOurs = (error: unknown) => (isWebhookError(error) ? error : undefined)

// Exports with inferred types, in an application whose only package of ours is core.
import {
  createReceiver,
  generateSecret,
  isWebhookError,
  memoryDuplicates,
  type ReceiverOptions,
  rotatingSecret,
  type ScrapeNestEvents,
  type StandardSchema,
  scrapeNestEventTypes,
  sign,
  verify,
  verifyEvent,
} from '@scrapenest-webhooks/core'
import * as adapterKit from '@scrapenest-webhooks/core/adapter'
import { resolveReceiver } from '@scrapenest-webhooks/core/adapter'
import { scrapenestWebhooks } from '@scrapenest-webhooks/core/fetch'

const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']
const message = { headers: {}, body: '' }
declare const urlSchema: StandardSchema<{ readonly download_url: URL }>

interface Events extends ScrapeNestEvents {
  'job.canceled': { readonly job_id: string }
}

export const receiver = createReceiver({ secret })
export const { onEvent, receive, start, close, report } = receiver
export const ofCustomCatalog = createReceiver<Events>({ secret })
export const ofSchema = createReceiver({ secret, schemas: { 'artifact.ready': urlSchema } })
export const createOurReceiver = (options: ReceiverOptions<ScrapeNestEvents>) => createReceiver(options)
export const create = createReceiver
export const chained = receiver.onEvent('job.*', (event) => event.data.job_id)
export const reply = receiver.receive({ method: 'POST', headers: {}, body: () => new Uint8Array() })

export const verified = verify(message, secret)
export const event = verifyEvent(message, secret)
export const customEvent = verifyEvent<Events>(message, secret)
export const typeOf = () => verifyEvent(message, secret).event_type
export const dataOf = () => {
  const { event_type, data } = verifyEvent(message, secret)
  return event_type === 'artifact.ready' ? data.artifact_type : data
}
export const unknownOnly = () => {
  const received = verifyEvent(message, secret)
  switch (received.event_type) {
    case 'job.created':
    case 'job.completed':
    case 'artifact.ready':
      return undefined
    default:
      return received
  }
}
export const headers = sign({ id: 'msg_1', timestamp: new Date(), body: '' }, generateSecret())
export const types = scrapeNestEventTypes
export const duplicates = memoryDuplicates({ maxEvents: 500_000 })
export const claim = duplicates.claim
export const rotating = rotatingSecret({ load: generateSecret })
export const asOurs = (error: unknown) => (isWebhookError(error) ? error : undefined)
export const codeOf = (error: unknown) => (isWebhookError(error) ? error.code : undefined)

export const POST = scrapenestWebhooks({ secret, onEvent: { 'artifact.ready': ({ data }) => data.download_url } })
export const ofFetch = POST.receiver
export const withContext = scrapenestWebhooks<{ readonly tenant: string }>({ secret })
export const shared = scrapenestWebhooks({ receiver: ofCustomCatalog })
export const sharedReceiver = shared.receiver
export const response = POST(new Request('http://localhost/webhooks/scrapenest'))

export const kit = adapterKit
export const resolved = resolveReceiver<Request>({ secret })
export const { receiver: ready, isOwned } = resolved

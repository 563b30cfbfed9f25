// An adapter that imports only the kit from us.
import {
  createInboxProcessor,
  errorReply,
  type ReceiverOrOptions,
  readWebBody,
  resolveReceiver,
} from '@scrapenest-webhooks/core/adapter'

export const resolved = resolveReceiver<Request>({ secret: process.env['SCRAPENEST_WEBHOOK_SECRET'] })
export const { receiver, isOwned } = resolved
export const { receive, start, close, report } = receiver
export const hostWebhooks = (source: ReceiverOrOptions<Request>) => resolveReceiver(source).receiver
export const bodyOf = (request: Request) => (limits: Parameters<typeof readWebBody>[1]) => readWebBody(request, limits)
export const processor = createInboxProcessor({})
export const processOf = () => processor.process
export const reply = errorReply(new Error('No body.'))

// An adapter for another host, built from the public kit.
import type { ReceiverOptions, ScrapeNestEvents } from '@scrapenest-webhooks/core'
import {
  notFoundReply,
  type ReadyReceiver,
  readWebBody,
  resolveReceiver,
  type WithReceiver,
} from '@scrapenest-webhooks/core/adapter'

interface HostContext {
  readonly request: Request
  readonly address: string
}

export function hostWebhooks(
  options: { readonly path: string } & (
    | ReceiverOptions<ScrapeNestEvents, HostContext>
    | WithReceiver<ReadyReceiver<HostContext>>
  ),
): (context: HostContext) => Promise<Response> {
  const { path, ...source } = options
  const { receiver, isOwned } = resolveReceiver<HostContext>(source)
  return async (context) => {
    const { request, address } = context
    if (isOwned) await receiver.start()
    const { method, url, headers } = request
    const reply =
      new URL(url).pathname === path
        ? await receiver.receive(
            { method, url, headers, remoteAddress: address, body: (limits) => readWebBody(request, limits) },
            context,
          )
        : notFoundReply
    return new Response(reply.body, { status: reply.status, headers: reply.headers })
  }
}

import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ReceiverOptions, ScrapeNestEvents, WebhookEvent } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks } from '@scrapenest-webhooks/node'
import { generateSecret } from '@scrapenest-webhooks/testing'
import { afterEach } from 'vitest'

export const secret: string = generateSecret()
export const environment: Readonly<Record<string, string>> = { SCRAPENEST_WEBHOOK_SECRET: secret }

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** Starts a real server and closes it after the test. @returns its origin. */
export async function listen(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener)
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  closing.push(async () => {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

export interface ReceivingServer {
  readonly url: string
  readonly events: readonly WebhookEvent[]
}

/** Starts a server whose receiver verifies with `secret` and records the handled events. */
export async function startReceiver(
  options: Partial<ReceiverOptions<ScrapeNestEvents>> = {},
): Promise<ReceivingServer> {
  const events: WebhookEvent[] = []
  const handler = scrapenestWebhooks({
    secret,
    logger: { warn() {}, error() {} },
    onEvent: { '*': (event) => void events.push(event) },
    ...options,
  })
  closing.push(() => handler.receiver.close({ graceMs: 0 }))
  return { url: `${await listen(handler)}/webhooks/scrapenest`, events }
}

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { DeliveryOutcome, ReceiverOptions, ScrapeNestEvents, WebhookEvent } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks } from '@scrapenest-webhooks/node'
import { afterEach } from 'vitest'

export interface LocalReceiver {
  readonly url: string
  readonly events: readonly WebhookEvent[]
  readonly outcomes: readonly DeliveryOutcome[]
  /** Can be set later, when the endpoint has been created. */
  secret: string
}

const closing: (() => Promise<void>)[] = []

/** Runs after the test, whether it passed or failed. */
export function afterTest(close: () => Promise<void>): void {
  closing.push(close)
}

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** A real server with a real receiver. */
export async function startReceiver(options: Partial<ReceiverOptions<ScrapeNestEvents>> = {}): Promise<LocalReceiver> {
  const events: WebhookEvent[] = []
  const outcomes: DeliveryOutcome[] = []
  const handler = scrapenestWebhooks({
    secret: () => receiver.secret,
    logger: { warn() {}, error() {} },
    onEvent: { '*': (event) => void events.push(event) },
    ...options,
    onDelivery: (outcome) => {
      outcomes.push(outcome)
      options.onDelivery?.(outcome)
    },
  })
  const server: Server = createServer(handler)
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo
  const receiver: LocalReceiver = { url: `http://127.0.0.1:${port}/webhooks`, events, outcomes, secret: '' }
  afterTest(async () => {
    await handler.receiver.close({ graceMs: 0 })
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  })
  return receiver
}

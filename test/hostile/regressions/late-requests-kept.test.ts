import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createReceiver, type Receiver, type WebhookRequest } from '@scrapenest-webhooks/core'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { expect, it } from 'vitest'
import { quiet } from '../quiet.ts'

const secret = generateSecret()
const replyTimeoutMs = 50
const amount = 500

function signed(body: (bytes: Uint8Array) => Promise<Uint8Array>): WebhookRequest {
  const { body: bytes, ...delivery } = signDelivery(createEvent('job.created'), { secret })
  return { ...delivery, body: () => body(bytes) }
}

/** A separate function, so that no variable of the test keeps the requests alive. */
async function keepWaiting(
  receiver: Receiver,
): Promise<{ requests: readonly WeakRef<WebhookRequest>[]; statuses: ReadonlySet<number> }> {
  const requests = Array.from({ length: amount }, () => signed(() => new Promise(() => {})))
  const replies = await Promise.all(requests.map((request) => receiver.receive(request)))
  return {
    requests: requests.map((request) => new WeakRef(request)),
    statuses: new Set(replies.map(({ status }) => status)),
  }
}

it.each([
  { what: 'a body', status: 408, secretOption: secret },
  { what: 'a secret', status: 503, secretOption: () => new Promise<string>(() => {}) },
])(
  'a request answered at its deadline is garbage-collected while it still waits for $what that never arrives',
  async ({ status, secretOption }) => {
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    const receiver = createReceiver({ secret: secretOption, replyTimeoutMs, logger: quiet })
    const { requests, statuses } = await keepWaiting(receiver)
    expect([...statuses]).toEqual([status])
    let kept = amount
    for (let round = 0; round < 10 && kept > 0; round += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      collect()
      kept = requests.filter((request) => request.deref() !== undefined).length
    }
    // A leak would keep all of them. The engine may still hold the last one or two.
    expect(kept).toBeLessThan(amount / 50)
    // Keeps the receiver alive until here.
    expect((await receiver.receive({ ...signed(async (bytes) => bytes), method: 'GET' })).status).toBe(405)
  },
)

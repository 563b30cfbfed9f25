// `node patient-script.ts body|handler` awaits replies and prints them. In two of the deliveries, the body or the handler never
// ends.
import { setTimeout as pause } from 'node:timers/promises'
import { createReceiver } from '@scrapenest-webhooks/core'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { quiet } from '../quiet.ts'
import { resultOf } from '../reply-table.ts'

const hanging = process.argv[2]
const secret = generateSecret()
const endless = new Promise<never>(() => {})
const receiver = createReceiver({
  secret,
  replyTimeoutMs: 200,
  logger: quiet,
  onEvent: { 'job.created': () => (hanging === 'handler' ? endless : undefined), 'job.completed': () => pause(10) },
})

async function resultFor(type: 'job.created' | 'job.completed'): Promise<string> {
  const { body, ...delivery } = signDelivery(createEvent(type), { secret })
  const isEndless = type === 'job.created' && hanging === 'body'
  return resultOf(await receiver.receive({ ...delivery, body: async () => (isEndless ? await endless : body) }))
}

// The first delivery starts the receiver's timer. The last one arrives when it is idle.
for (const type of ['job.created', 'job.completed', 'job.created'] as const) console.log(await resultFor(type))

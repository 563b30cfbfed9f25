// `node --expose-gc memory-child.ts <deliveries>`: prints heap and RSS when the duplicate store fills, and at the end.
import { createReceiver, sign } from '@scrapenest-webhooks/core'
import { eventOfSize } from './events.ts'

const deliveries = Number(process.argv[2])
const remembered = 100_000
const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const receiver = createReceiver({ secret, onEvent: { 'job.completed': () => {} } })

function megabytes(): { heap: number; rss: number } {
  // Twice: finalizers of the first run may free more.
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, rss } = process.memoryUsage()
  return { heap: heapUsed / 2 ** 20, rss: rss / 2 ** 20 }
}

let atFull = megabytes()
for (let index = 0; index < deliveries; index += 1) {
  const body = Buffer.from(eventOfSize(400))
  const headers = sign({ id: `msg_${index}`, timestamp: new Date(), body }, secret)
  const reply = await receiver.receive({ method: 'POST', headers, body: async () => body })
  if (reply.body !== '{"status":"accepted"}') throw new Error(`Delivery ${index} got ${reply.body}.`)
  if (index === remembered - 1) atFull = megabytes()
}
process.stdout.write(JSON.stringify({ atFull, atEnd: megabytes() }))

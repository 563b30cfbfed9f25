import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { FastifyAdapter } from '@bull-board/fastify'
import { scrapenestWebhooks } from '@scrapenest-webhooks/fastify'
import { bullmqInbox } from '@scrapenest-webhooks/inbox-bullmq'
import { Queue } from 'bullmq'
import Fastify from 'fastify'

const url = process.env.REDIS_URL ?? 'redis://localhost:6379'

// The web process: stores events without handling them. Start as many as you like.
const app = Fastify({ logger: true })

await app.register(scrapenestWebhooks, {
  path: '/webhooks/scrapenest',
  secret: process.env.SCRAPENEST_WEBHOOK_SECRET,
  inbox: bullmqInbox({ connection: url }),
  processing: false,
})

// A dashboard for the queue. Put it behind your own login: anyone who can open it can retry and delete events.
const queue = new Queue('webhooks-scrapenest', { connection: { url } })
queue.on('error', (error) => app.log.warn(error))
const events = new BullMQAdapter(queue, { description: 'ScrapeNest events' })
// A `download_url` is a credential, and signatures should stay private.
events.setFormatter('data', ({ body: _body, bodyBase64: _bytes, signedHeaders: _headers, ...facts }) => facts)
const board = new FastifyAdapter()
board.setBasePath('/queues')
createBullBoard({ queues: [events], serverAdapter: board })
await app.register(board.registerPlugin(), { prefix: '/queues' })
app.addHook('onClose', () => queue.close())

process.once('SIGTERM', () => app.close())
process.once('SIGINT', () => app.close())

const port = Number(process.env.PORT ?? 3000)
await app.listen({ port })
console.log(`Listening at http://localhost:${port}`)

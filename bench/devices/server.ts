// The Fastify server of one variant: `node server.ts <folder>`. Exits with its parent.
import type { AddressInfo } from 'node:net'
import { pathToFileURL } from 'node:url'
import fastify from 'fastify'
import { announce } from '../child-server.ts'

const [folder = ''] = process.argv.slice(2)
const { scrapenestWebhooks } = (await import(
  pathToFileURL(`${folder}/fastify/src/index.ts`).href
)) as typeof import('@scrapenest-webhooks/fastify')

const handled = { jobs: 0 }
const app = fastify()
await app.register(scrapenestWebhooks, {
  path: '/hook',
  secret: process.env['BENCH_SECRET'],
  onEvent: {
    'job.completed': () => {
      handled.jobs += 1
    },
  },
})
await app.listen({ port: 0, host: '127.0.0.1' })
announce((app.server.address() as AddressInfo).port)

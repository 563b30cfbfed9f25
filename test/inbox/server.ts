// A server with an inbox, in a separate process that can be killed: node server.ts <host> <file> <secret> <ledger>
import { appendFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ScrapeNestEvent } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks as forExpress } from '@scrapenest-webhooks/express'
import { scrapenestWebhooks as forFastify } from '@scrapenest-webhooks/fastify'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'
import { scrapenestWebhooks as forKoa } from '@scrapenest-webhooks/koa'
import express from 'express'
import Fastify from 'fastify'
import Koa from 'koa'

const [host, file = '', secret = '', ledger = ''] = process.argv.slice(2)

const inbox = sqliteInbox({ file, leaseMs: 400, pollIntervalMs: 50, backoff: () => 20 })
const options = {
  path: '/webhooks/scrapenest',
  secret: secret as `whsec_${string}`,
  inbox,
  processing: process.env['INBOX_PROCESSING'] !== 'false',
  onEvent: { '*': (event: ScrapeNestEvent) => appendFileSync(ledger, `${event.event_id}\n`) },
}

const servers: Record<string, () => Promise<{ port: number; close: () => Promise<unknown> }>> = {
  async fastify() {
    const app = Fastify()
    await app.register(forFastify, options)
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { port: (app.server.address() as AddressInfo).port, close: () => app.close() }
  },
  async koa() {
    const app = new Koa()
    const middleware = forKoa(options)
    app.use(middleware)
    return await listen(app.callback(), () => middleware.receiver.close())
  },
  async express() {
    const app = express()
    const middleware = forExpress(options)
    app.use(middleware)
    return await listen(app, () => middleware.receiver.close())
  },
}

async function listen(
  listener: RequestListener,
  closeReceiver: () => Promise<void>,
): Promise<{ port: number; close: () => Promise<unknown> }> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = async (): Promise<void> => {
    server.close()
    server.closeAllConnections()
    await closeReceiver()
  }
  return { port: (server.address() as AddressInfo).port, close }
}

const { port, close } = await (servers[host ?? ''] as (typeof servers)[string])()
process.once('SIGTERM', () => void close())
process.send?.({ port })
if (process.send === undefined) console.log(JSON.stringify({ port, pid: process.pid }))
// Exits with its parent, without waiting for it.
process.once('disconnect', () => process.exit())
process.channel?.unref()

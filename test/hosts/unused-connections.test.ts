import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { scrapenestWebhooks as onExpress } from '@scrapenest-webhooks/express'
import { scrapenestWebhooks as onFastify } from '@scrapenest-webhooks/fastify'
import { generateSecret } from '@scrapenest-webhooks/testing'
import express from 'express'
import Fastify from 'fastify'
import { expect, it, onTestFinished } from 'vitest'

const options = { path: '/webhooks', secret: generateSecret(), onEvent: {} }

/** Like the connections in the pool of svix's sender. */
async function openUnusedConnection({ port }: AddressInfo): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  // The server accepts it in a later turn.
  await new Promise((resolve) => setTimeout(resolve, 50))
}

it('an Express server that stops as the guide shows does not wait for connections without a request', async () => {
  const webhooks = onExpress(options)
  const app = express()
  app.use(webhooks)
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await openUnusedConnection(server.address() as AddressInfo)
  const closed = once(server, 'close')
  server.close()
  await webhooks.receiver.close()
  expect(server.listening).toBe(false)
  server.closeAllConnections()
  await closed
}, 5000)

it('a Fastify server with forceCloseConnections does not wait for connections without a request', async () => {
  const app = Fastify({ forceCloseConnections: true })
  await app.register(onFastify, options)
  await app.listen({ port: 0, host: '127.0.0.1' })
  await openUnusedConnection(app.server.address() as AddressInfo)
  await app.close()
}, 5000)

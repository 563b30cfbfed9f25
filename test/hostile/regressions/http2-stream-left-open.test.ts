import { once } from 'node:events'
import { connect, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { scrapenestWebhooks } from '@scrapenest-webhooks/fastify'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import fastify from 'fastify'
import { expect, it } from 'vitest'
import { quiet } from '../quiet.ts'

const path = '/webhooks/scrapenest'

it.each([
  { what: 'too large', status: 413, bytes: 2 * 1024 * 1024 },
  { what: 'too slow', status: 408, bytes: 16 },
])(
  'an HTTP/2 stream whose body is $what is closed with its reply, and does not prevent the server from closing',
  async ({ status, bytes }) => {
    const secret = generateSecret()
    const app = fastify({ http2: true })
    await app.register(scrapenestWebhooks, { path, secret, replyTimeoutMs: status === 408 ? 200 : 9000, logger: quiet })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const server: Http2Server = app.server
    let isClosed = false
    server.once('stream', (stream: ServerHttp2Stream) => {
      stream.once('close', () => {
        isClosed = true
      })
    })
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const { headers } = signDelivery(createEvent('job.created'), { secret })
    const stream = session.request({ ':method': 'POST', ':path': path, ...headers })
    // The client never ends its body.
    stream
      .resume()
      .on('error', () => {})
      .write(Buffer.alloc(bytes))
    const [received] = await once(stream, 'response')
    expect(received[':status']).toBe(status)
    await expect.poll(() => isClosed).toBe(true)
    session.destroy()
    await app.close()
  },
)

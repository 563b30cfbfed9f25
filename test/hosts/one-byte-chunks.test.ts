import { once } from 'node:events'
import { createServer as createHttp2Server, type ServerHttp2Session } from 'node:http2'
import { type AddressInfo, connect, type Server, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { scrapenestWebhooks as onFastify } from '@scrapenest-webhooks/fastify'
import { scrapenestWebhooks as onKoa } from '@scrapenest-webhooks/koa'
import { scrapenestWebhooks as onNode } from '@scrapenest-webhooks/node'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import fastify from 'fastify'
import Koa from 'koa'
import { describe, expect, it } from 'vitest'
import { hosts, path, Reports } from './hosts.ts'

// Every chunk becomes an object of a few hundred bytes, and anyone can send a body in one-byte chunks. So the limit applies to
// the memory that a body occupies, not only to its size.

const bodyBytes = 256 * 1024
/** Three times the body, plus a constant for allocations of the runtime and the framework. */
const allowedBytes = 3 * bodyBytes + 8 * 1024 * 1024

const options = { secret: generateSecret(), logger: new Reports().logger, replyTimeoutMs: 60_000 }
/** Well-formed headers: the signature cannot be checked before the body arrives. */
const headers = signDelivery(createEvent('job.created'), { secret: generateSecret() }).headers

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

describe('an unsigned request in one-byte chunks holds at most three times its body in memory', () => {
  const newest = hosts.filter(({ name }) => !/fastify 4|koa 2|express 4/.test(name))
  it.each(newest)('on $name', async (host) => {
    const { port, server, close } = await host.serve(options)
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const start = `POST ${path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n${head.join('')}\r\n`
    const heldBytes = await measure(server, port, Buffer.from(start), Buffer.from('1\r\nx\r\n'))
    expect(heldBytes).toBeLessThan(allowedBytes)
    await close()
  })

  it.each<[string, () => Promise<Server>]>([
    ['node', async () => createHttp2Server(onNode({ path, ...options }) as never)],
    ['koa 3', async () => createHttp2Server(new Koa().use(onKoa({ path, ...options })).callback() as never)],
    [
      'fastify 5',
      async () => {
        const app = fastify({ http2: true })
        await app.register(onFastify, { path, ...options })
        await app.ready()
        return app.server as unknown as Server
      },
    ],
  ])('in HTTP/2 frames, on %s', async (_host, create) => {
    const server = await create()
    server.on('session', (session: ServerHttp2Session) => {
      // Large enough for the whole body, so that the client need not read window updates.
      session.settings({ initialWindowSize: 2 * bodyBytes })
      session.setLocalWindowSize(2 * bodyBytes)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const start = Buffer.concat([
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      frame({ type: frameTypes.settings, stream: 0 }),
      // Acknowledges the server's settings, which set the window.
      frame({ type: frameTypes.settings, flags: flags.acknowledged, stream: 0 }),
      frame({ type: frameTypes.headers, flags: flags.endOfHeaders, payload: headerBlock() }),
    ])
    const heldBytes = await measure(server, port, start, frame({ type: frameTypes.data, payload: Buffer.from('x') }))
    expect(heldBytes).toBeLessThan(allowedBytes)
    await new Promise((resolve) => server.close(resolve))
  })
})

/** Sends a body except its end. @returns the memory that the process holds for it. */
async function measure(server: Server, port: number, start: Buffer, chunk: Buffer): Promise<number> {
  const pieceChunks = 4096
  const piece = Buffer.concat(Array.from({ length: pieceChunks }, () => chunk))
  const connected = once(server, 'connection') as Promise<[Socket]>
  const client = connect(port, '127.0.0.1').on('error', () => {})
  client.resume().write(start)
  const [connection] = await connected
  let sentBytes = start.byteLength
  await hasRead(connection, sentBytes)
  const before = heldMemory()
  for (let sent = 0; sent < bodyBytes; sent += pieceChunks) {
    sentBytes += piece.byteLength
    if (!client.write(piece)) await once(client, 'drain')
  }
  await hasRead(connection, sentBytes)
  const held = heldMemory() - before
  expect(connection.destroyed).toBe(false)
  client.destroy()
  return held
}

async function hasRead(connection: Socket, bytes: number): Promise<void> {
  await expect.poll(() => connection.bytesRead, { timeout: 15_000 }).toBe(bytes)
  // The body is read some turns after it arrives on the socket.
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

function heldMemory(): number {
  collectGarbage()
  collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

const frameTypes = { data: 0, headers: 1, settings: 4 } as const
const flags = { acknowledged: 1, endOfHeaders: 4 } as const

/** One frame (RFC 9113, 4.1). */
function frame({
  type,
  flags: bits = 0,
  stream = 1,
  payload = Buffer.alloc(0),
}: {
  readonly type: number
  readonly flags?: number
  readonly stream?: number
  readonly payload?: Buffer
}): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.byteLength, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(bits, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A header block of literals without indexing (RFC 7541, 6.2.2). */
function headerBlock(): Buffer {
  const all = { ':method': 'POST', ':scheme': 'http', ':path': path, ':authority': 'a', ...headers }
  const literal = (text: string): Buffer => Buffer.concat([Buffer.of(text.length), Buffer.from(text, 'latin1')])
  const fields = Object.entries(all).flatMap(([name, value]) => [Buffer.of(0), literal(name), literal(value)])
  return Buffer.concat(fields)
}

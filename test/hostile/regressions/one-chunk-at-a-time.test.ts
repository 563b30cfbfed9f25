import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { Readable } from 'node:stream'
import { readNodeStream } from '@scrapenest-webhooks/core/node-stream'
import { expect, it } from 'vitest'

it('a body of several chunks is whole on a Node whose read() gives one chunk at a time, as 26 does', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const read = new Promise<Uint8Array>((resolve, reject) => {
    server.once('request', (request) => {
      request.read = (): unknown => Readable.prototype.read.call(request, 2)
      readNodeStream(request, { maxBytes: 10 }).then(resolve, reject)
    })
  })
  socket.write('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n')
  expect(Buffer.from(await read).toString()).toBe('hello')
  socket.destroy()
  await new Promise((resolve) => server.close(resolve))
})

import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { readNodeStream, wasRead } from '../src/node-stream.ts'

const limits = { maxBytes: 10 }

describe('readNodeStream', () => {
  it.each([
    ['nothing', []],
    ['one chunk', ['hello']],
    ['many chunks', ['he', 'l', 'lo']],
    ['exactly as much as allowed', ['01234', '56789']],
  ])('gives the bytes of %s', async (_given, chunks) => {
    const stream = Readable.from(
      chunks.map((chunk) => Buffer.from(chunk)),
      { objectMode: false },
    )
    expect(Buffer.from(await readNodeStream(stream, limits)).toString()).toBe(chunks.join(''))
  })

  it('stops at the limit and leaves the stream paused and whole', async () => {
    const stream = new PassThrough()
    const reading = readNodeStream(stream, limits)
    stream.write(Buffer.alloc(6))
    stream.write(Buffer.alloc(5))
    await expect(reading).rejects.toMatchObject({ code: 'body_too_large' })
    expect([stream.isPaused(), stream.destroyed, stream.listenerCount('data')]).toEqual([true, false, 0])
  })

  it('leaves somebody to hear an error after the limit: unheard it would end the process', async () => {
    const stream = new PassThrough()
    const reading = readNodeStream(stream, limits)
    stream.write(Buffer.alloc(11))
    await expect(reading).rejects.toMatchObject({ code: 'body_too_large' })
    const closed = new Promise((resolve) => stream.once('close', resolve))
    stream.destroy(new Error('reset'))
    await closed
  })

  it('rejects when the client goes away in the middle', async () => {
    const stream = new PassThrough()
    const reading = readNodeStream(stream, limits)
    stream.write('half')
    stream.destroy()
    await expect(reading).rejects.toMatchObject({ code: 'body_aborted', cause: undefined })
  })

  it('rejects with the reason when the stream breaks', async () => {
    const stream = new PassThrough()
    const reading = readNodeStream(stream, limits)
    stream.destroy(new Error('reset'))
    await expect(reading).rejects.toMatchObject({ code: 'body_aborted', cause: new Error('reset') })
  })

  it.each([
    ['destroyed', undefined],
    ['broken', new Error('reset')],
  ])('rejects at once when the stream is %s already', async (_given, error) => {
    const stream = new PassThrough().on('error', () => {})
    const closed = new Promise((resolve) => stream.once('close', resolve))
    stream.destroy(error)
    await closed
    await expect(readNodeStream(stream, limits)).rejects.toMatchObject({ code: 'body_aborted', cause: error })
  })

  it('hears the error of a stream that was destroyed just now: unheard it would end the process', async () => {
    const stream = new PassThrough()
    stream.destroy(new Error('reset'))
    await expect(readNodeStream(stream, limits)).rejects.toMatchObject({ code: 'body_aborted' })
    await new Promise((resolve) => stream.once('close', resolve))
  })

  it('rejects at once when the stream broke without being destroyed', async () => {
    const stream = new Readable({ read() {}, autoDestroy: false })
    const broken = new Promise((resolve) => stream.once('error', resolve))
    stream.push(null)
    stream.push('after the end')
    await broken
    expect(stream.destroyed).toBe(false)
    await expect(readNodeStream(stream, limits)).rejects.toMatchObject({
      code: 'body_aborted',
      cause: expect.objectContaining({ code: 'ERR_STREAM_PUSH_AFTER_EOF' }),
    })
  })

  it('gives no bytes for a stream that ended before without any', async () => {
    const stream = new Readable({ read() {}, autoDestroy: false })
    stream.push(null)
    const ended = new Promise((resolve) => stream.once('end', resolve))
    stream.resume()
    await ended
    expect(await readNodeStream(stream, limits)).toEqual(new Uint8Array())
  })

  it('takes its listeners off when it has done', async () => {
    const stream = new PassThrough({ autoDestroy: false })
    const before = ['data', 'end', 'error', 'close'].map((name) => stream.listenerCount(name))
    const reading = readNodeStream(stream, limits)
    stream.end('x')
    await reading
    expect(['data', 'end', 'error', 'close'].map((name) => stream.listenerCount(name))).toEqual(before)
  })

  it('takes its listeners off when the body breaks', async () => {
    const stream = new PassThrough({ autoDestroy: false })
    const before = ['data', 'end', 'error', 'close'].map((name) => stream.listenerCount(name))
    const reading = readNodeStream(stream, limits)
    stream.emit('error', new Error('broken'))
    await expect(reading).rejects.toMatchObject({ code: 'body_aborted' })
    expect(['data', 'end', 'error', 'close'].map((name) => stream.listenerCount(name))).toEqual(before)
  })
})

describe('readNodeStream, of a request of node:http', () => {
  const wholeRequest = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello'

  it.each<[string, readonly string[]]>([
    ['with the headers', [wholeRequest]],
    ['after the headers', [wholeRequest.slice(0, -5), 'hello']],
    ['in two parts', [wholeRequest.slice(0, -2), 'lo']],
    ['in chunks', ['POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n']],
  ])('gives the bytes of a body that comes %s, and its end comes too', async (_case, segments) => {
    await withRequest(segments, async (request) => {
      const ended = new Promise((resolve) => request.once('end', resolve))
      expect(Buffer.from(await readNodeStream(request, limits)).toString()).toBe('hello')
      await ended
      expect(request.listenerCount('data')).toBe(0)
    })
  })

  it('gives nothing where there is no body', async () => {
    await withRequest(['POST / HTTP/1.1\r\nhost: a\r\n\r\n'], async (request) => {
      expect((await readNodeStream(request, limits)).byteLength).toBe(0)
    })
  })

  it('refuses a body that is there and too long', async () => {
    await withRequest([wholeRequest], async (request) => {
      await expect(readNodeStream(request, { maxBytes: 4 })).rejects.toMatchObject({ code: 'body_too_large' })
      expect(request.isPaused()).toBe(true)
    })
  })

  it('shares the bytes with who listened before', async () => {
    await withRequest([wholeRequest], async (request) => {
      const heard: Buffer[] = []
      request.on('data', (chunk: Buffer) => heard.push(chunk))
      expect(Buffer.from(await readNodeStream(request, limits)).toString()).toBe('hello')
      expect(Buffer.concat(heard).toString()).toBe('hello')
    })
  })

  it('reads one that was paused', async () => {
    await withRequest([wholeRequest], async (request) => {
      request.pause()
      expect(Buffer.from(await readNodeStream(request, limits)).toString()).toBe('hello')
    })
  })

  it('says so when somebody begins to listen meanwhile, and does not take it for an empty body', async () => {
    await withRequest([wholeRequest], async (request) => {
      const reading = readNodeStream(request, limits)
      request.resume()
      await expect(reading).rejects.toMatchObject({ code: 'raw_body_unavailable' })
    })
  })

  it('rejects when the request breaks meanwhile', async () => {
    await withRequest([wholeRequest], async (request) => {
      const reading = readNodeStream(request, limits)
      request.destroy(new Error('reset'))
      await expect(reading).rejects.toMatchObject({ code: 'body_aborted' })
    })
  })
})

/** A request that comes in these segments, each in a turn of the event loop of its own. */
async function withRequest(
  segments: readonly string[],
  use: (request: IncomingMessage) => Promise<void>,
): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {})
  socket.setNoDelay(true)
  try {
    const used = new Promise<void>((resolve, reject) => {
      server.once('request', (request) => use(request).then(resolve, reject))
    })
    for (const segment of segments) {
      socket.write(segment)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await used
  } finally {
    socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

describe('wasRead', () => {
  it('tells a stream that was read from one that was not', async () => {
    const [read, unread] = [Readable.from(['x']), Readable.from(['x'])]
    await read.toArray()
    expect([wasRead(read), wasRead(unread)]).toEqual([true, false])
    unread.destroy()
  })
})

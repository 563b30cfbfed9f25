import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { readBody } from '../src/read-body.ts'

const limits = { maxBytes: 10 }
describe('readBody', () => {
  it.each([
    ['fails', new Error('reset')],
    ['is closed', undefined],
  ])('rejects when the stream %s while raw-body is being loaded', async (_given, cause) => {
    let load = (): void => {}
    const loaded = new Promise<void>((resolve) => {
      load = resolve
    })
    vi.doMock('raw-body', async (importOriginal) => {
      await loaded
      return await importOriginal<typeof import('raw-body')>()
    })
    vi.resetModules()
    onTestFinished(() => {
      vi.doUnmock('raw-body')
      vi.resetModules()
    })
    const fresh = await import('../src/read-body.ts')
    const stream = new PassThrough()
    const reading = fresh.readBody(stream, limits)
    stream.write('half')
    const closed = once(stream, 'close')
    stream.destroy(cause)
    await closed.catch(() => {})
    await turns(3)
    load()
    await expect(reading).rejects.toMatchObject({ code: 'body_aborted', ...(cause && { cause }) })
  })

  it('blames the installation, not the client, if raw-body cannot be loaded', async () => {
    vi.doMock('raw-body', () => {
      throw new Error('node_modules was deleted')
    })
    vi.resetModules()
    onTestFinished(() => {
      vi.doUnmock('raw-body')
      vi.resetModules()
    })
    const fresh = await import('../src/read-body.ts')
    await expect(fresh.readBody(Readable.from([Buffer.from('hello')]), limits)).rejects.toMatchObject({
      code: 'configuration_invalid',
      message: expect.stringContaining('raw-body, a dependency of @scrapenest-webhooks/node, cannot be loaded.'),
    })
  })

  it.each([
    ['nothing', []],
    ['one chunk', ['hello']],
    ['many chunks', ['he', 'l', 'lo']],
    ['exactly as many bytes as allowed', ['01234', '56789']],
  ])('returns the bytes of %s', async (_given, chunks) => {
    const stream = Readable.from(
      chunks.map((chunk) => Buffer.from(chunk)),
      { objectMode: false },
    )
    expect(Buffer.from(await readBody(stream, limits)).toString()).toBe(chunks.join(''))
  })

  it.each([1, 7, 16_383, 16_384, 16_385, 50_000])('joins chunks of %i bytes without a gap', async (size) => {
    const body = Buffer.from(Array.from({ length: 50_000 }, (_, index) => index % 251))
    const chunks = Array.from({ length: Math.ceil(body.byteLength / size) }, (_, index) =>
      body.subarray(index * size, (index + 1) * size),
    )
    const stream = Readable.from(chunks, { objectMode: false })
    expect(Buffer.compare(await readBody(stream, { maxBytes: body.byteLength }), body)).toBe(0)
  })

  it('rejects as soon as the limit is passed, even if the body neither continues nor ends', async () => {
    const stream = new PassThrough()
    const reading = readBody(stream, limits)
    stream.write(Buffer.alloc(6))
    stream.write(Buffer.alloc(5))
    await expect(reading).rejects.toMatchObject({ code: 'body_too_large', maxBytes: 10 })
  })

  it('stops reading at the limit, and leaves the connection open for the reply', async () => {
    let chunks = 0
    const stream = new Readable({
      read() {
        chunks += 1
        this.push(Buffer.alloc(16_384))
      },
    })
    await expect(readBody(stream, limits)).rejects.toMatchObject({ code: 'body_too_large' })
    await turns(50)
    expect(stream.destroyed).toBe(false)
    // What the buffers between the stream and the reader can hold.
    expect(chunks).toBeLessThan(20)
  })

  it('still listens for errors after the limit, because an unhandled one would end the process', async () => {
    const stream = new PassThrough()
    const reading = readBody(stream, limits)
    stream.write(Buffer.alloc(20_000))
    await expect(reading).rejects.toMatchObject({ code: 'body_too_large' })
    const closed = new Promise((resolve) => stream.once('close', resolve))
    stream.destroy(new Error('reset'))
    await closed
  })

  it('rejects when the client disconnects in the middle', async () => {
    const stream = new PassThrough()
    const reading = readBody(stream, limits)
    stream.write('half')
    stream.destroy()
    await expect(reading).rejects.toMatchObject({ code: 'body_aborted' })
  })

  it('rejects with the cause when the stream fails', async () => {
    const stream = new PassThrough()
    const reading = readBody(stream, limits)
    stream.destroy(new Error('reset'))
    await expect(reading).rejects.toMatchObject({ code: 'body_aborted', cause: new Error('reset') })
  })

  it.each([
    ['been destroyed', undefined],
    ['failed', new Error('reset')],
  ])('rejects immediately if the stream has already %s', async (_given, error) => {
    const stream = new PassThrough().on('error', () => {})
    const closed = new Promise((resolve) => stream.once('close', resolve))
    stream.destroy(error)
    await closed
    const rejection = await readBody(stream, limits).catch((reason: unknown) => reason)
    expect(rejection).toMatchObject({ code: 'body_aborted' })
    expect((rejection as Error).cause).toBe(error)
  })

  it('listens for the error of a stream that was destroyed in the same turn', async () => {
    const stream = new PassThrough()
    const closed = new Promise((resolve) => stream.once('close', resolve))
    stream.destroy(new Error('reset'))
    await expect(readBody(stream, limits)).rejects.toMatchObject({ code: 'body_aborted' })
    await closed
  })

  it('rejects immediately if the stream failed without being destroyed', async () => {
    const stream = new Readable({ read() {}, autoDestroy: false })
    const broken = new Promise((resolve) => stream.once('error', resolve))
    stream.push(null)
    stream.push('after the end')
    await broken
    expect(stream.destroyed).toBe(false)
    await expect(readBody(stream, limits)).rejects.toMatchObject({
      code: 'body_aborted',
      cause: expect.objectContaining({ code: 'ERR_STREAM_PUSH_AFTER_EOF' }),
    })
  })

  /** A stream that has ended without anyone listening for data, as a platform's imitation of a request may have. */
  async function endedStream(facts: object = {}): Promise<Readable> {
    const stream = Object.assign(new Readable({ read() {}, autoDestroy: false }), facts)
    stream.push(null)
    const ended = new Promise((resolve) => stream.once('end', resolve))
    stream.resume()
    await ended
    return stream
  }

  it('reports a lost body, not an empty one, for a stream that is no request and ended unread', async () => {
    await expect(readBody(await endedStream(), limits)).rejects.toMatchObject({ code: 'raw_body_unavailable' })
  })

  it('reports a client that disconnected before the body of its HTTP/2 request was read', async () => {
    const http2 = { stream: { close() {}, once() {} } }
    await expect(readBody(await endedStream({ ...http2, aborted: true }), limits)).rejects.toMatchObject({
      code: 'body_aborted',
    })
    expect(await readBody(await endedStream({ ...http2, aborted: false }), limits)).toEqual(new Uint8Array())
  })

  // An error keeps the functions of its stack alive, and through them what they have read.
  it.each(['too large', 'aborted'])('releases the bytes of a body that is %s while its error is kept', async (what) => {
    const mebibyte = 1024 * 1024
    const collect = garbageCollector()
    collect()
    const before = process.memoryUsage().arrayBuffers
    const errors: unknown[] = []
    for (let index = 0; index < 20; index += 1) {
      const stream = new Readable({ read() {} })
      const reading = readBody(stream, { maxBytes: mebibyte })
      for (let piece = 0; piece < 15; piece += 1) stream.push(Buffer.alloc(mebibyte / 16))
      await turns(1)
      if (what === 'too large') stream.push(Buffer.alloc(mebibyte / 8))
      else stream.destroy()
      errors.push(await reading.catch((error: unknown) => error))
      stream.destroy()
    }
    const code = what === 'too large' ? 'body_too_large' : 'body_aborted'
    expect(errors.every((error) => (error as { code?: string }).code === code)).toBe(true)
    let kept = Number.POSITIVE_INFINITY
    for (let round = 0; round < 100 && kept >= 4; round += 1) {
      await turns(5)
      collect()
      kept = (process.memoryUsage().arrayBuffers - before) / mebibyte
    }
    expect(kept).toBeLessThan(4)
  })
})

describe('readBody, given a request of node:http', () => {
  const wholeRequest = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello'
  const chunkedRequest =
    'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n'

  it.each<[string, readonly string[]]>([
    ['with the headers', [wholeRequest]],
    ['after the headers', [wholeRequest.slice(0, -5), 'hello']],
    ['in two parts', [wholeRequest.slice(0, -2), 'lo']],
    ['in chunks', [chunkedRequest]],
  ])('returns a body that arrives %s, and the request ends', async (_case, segments) => {
    await withRequest(segments, async (request) => {
      const ended = new Promise((resolve) => request.once('end', resolve))
      expect(Buffer.from(await readBody(request, limits)).toString()).toBe('hello')
      await ended
      expect(request.listenerCount('data')).toBe(0)
    })
  })

  // Up to Node 24, `read` returns everything that is buffered; from Node 26 on, one chunk.
  it('returns every chunk if `read` returns one at a time', async () => {
    await withRequest([chunkedRequest], async (request) => {
      request.read = (): unknown => Readable.prototype.read.call(request, 2)
      expect(Buffer.from(await readBody(request, limits)).toString()).toBe('hello')
    })
  })

  it('returns no bytes if there is no body', async () => {
    await withRequest(['POST / HTTP/1.1\r\nhost: a\r\n\r\n'], async (request) => {
      expect((await readBody(request, limits)).byteLength).toBe(0)
    })
  })

  it('refuses a complete body that is too long', async () => {
    await withRequest([wholeRequest], async (request) => {
      await expect(readBody(request, { maxBytes: 4 })).rejects.toMatchObject({ code: 'body_too_large', maxBytes: 4 })
    })
  })

  it('shares the bytes with an earlier listener', async () => {
    await withRequest([wholeRequest], async (request) => {
      const heard: Buffer[] = []
      request.on('data', (chunk: Buffer) => heard.push(chunk))
      expect(Buffer.from(await readBody(request, limits)).toString()).toBe('hello')
      expect(Buffer.concat(heard).toString()).toBe('hello')
    })
  })

  it('reads a request that was paused', async () => {
    await withRequest([wholeRequest], async (request) => {
      request.pause()
      expect(Buffer.from(await readBody(request, limits)).toString()).toBe('hello')
    })
  })

  it('rejects instead of returning an empty body if something else reads it at the same time', async () => {
    await withRequest([wholeRequest], async (request) => {
      const reading = readBody(request, limits)
      request.resume()
      await expect(reading).rejects.toMatchObject({ code: 'raw_body_unavailable' })
    })
  })

  it('rejects if the request fails in the meantime', async () => {
    await withRequest([wholeRequest], async (request) => {
      const reading = readBody(request, limits)
      request.destroy(new Error('reset'))
      await expect(reading).rejects.toMatchObject({ code: 'body_aborted' })
    })
  })

  it('rejects when the client resets the connection in the middle of the body', async () => {
    await withRequest([wholeRequest.slice(0, -2)], async (request, socket) => {
      const reading = readBody(request, limits)
      socket.resetAndDestroy()
      await expect(reading).rejects.toMatchObject({ code: 'body_aborted' })
    })
  })
})

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** The garbage collector, even though Node was started without `--expose-gc`. */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc')
}

/** Sends a request in segments, each after the server has read the one before. */
async function withRequest(
  segments: readonly string[],
  use: (request: IncomingMessage, socket: ReturnType<typeof connect>) => Promise<void>,
): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {})
  const received = once(server, 'connection').then(([connection]) => connection as { bytesRead: number })
  try {
    const used = new Promise<void>((resolve, reject) => {
      server.once('request', (request) => use(request, socket).then(resolve, reject))
    })
    let sent = 0
    for (const segment of segments) {
      socket.write(segment)
      sent += segment.length
      const connection = await received
      while (connection.bytesRead < sent) await turns(1)
    }
    await used
  } finally {
    socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

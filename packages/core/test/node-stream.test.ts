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
    await expect(reading).rejects.toMatchObject({ code: 'body_too_large', maxBytes: 10 })
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

describe('wasRead', () => {
  it('tells a stream that was read from one that was not', async () => {
    const [read, unread] = [Readable.from(['x']), Readable.from(['x'])]
    await read.toArray()
    expect([wasRead(read), wasRead(unread)]).toEqual([true, false])
    unread.destroy()
  })
})

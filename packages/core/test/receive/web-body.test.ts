import { describe, expect, it, vi } from 'vitest'
import { readWebBody } from '../../src/adapter.ts'
import { refusal } from '../deliveries.ts'

function requestWith(body: string | ReadableStream): Request {
  return new Request('https://shop.example/', { method: 'POST', body, duplex: 'half' } as RequestInit)
}

function streamOf(chunks: readonly Uint8Array[], cancel = vi.fn()): ReadableStream<Uint8Array> {
  let next = 0
  return new ReadableStream({
    pull(controller) {
      const chunk = chunks[next]
      next += 1
      if (chunk === undefined) controller.close()
      else controller.enqueue(chunk)
    },
    cancel,
  })
}

const limits = { maxBytes: 100_000 }

describe('readWebBody', () => {
  it('reports a client that disconnected, where the server ends the stream early', async () => {
    const request = new Request('https://shop.example', {
      method: 'POST',
      body: 'half',
      headers: { 'content-length': '8' },
    })
    await expect(readWebBody(request, { maxBytes: 10 })).rejects.toMatchObject({ code: 'body_aborted' })
  })

  it.each<[string, string]>([
    ['a body', 'Zürich 🔑'],
    ['an empty body', ''],
  ])('returns the bytes of %s', async (_given, text) => {
    expect(Buffer.from(await readWebBody(requestWith(text), limits)).toString()).toBe(text)
  })

  it('returns no bytes where there is no body', async () => {
    const request = new Request('https://shop.example/', { method: 'POST' })
    expect(await readWebBody(request, limits)).toEqual(new Uint8Array())
  })

  it.each([1, 2, 7, 1024, 40_000])('returns the same bytes in chunks of %d, also empty ones between', async (size) => {
    const bytes = Buffer.from(Array.from({ length: 40_000 }, (_, index) => index % 251))
    const chunks: Uint8Array[] = []
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size), new Uint8Array())
    expect(Buffer.from(await readWebBody(requestWith(streamOf(chunks)), limits)).equals(bytes)).toBe(true)
  })

  it('holds a body of one-byte chunks in a buffer of at most twice its length', async () => {
    const chunks = Array.from({ length: 5000 }, () => Uint8Array.of(7))
    const bytes = await readWebBody(requestWith(streamOf(chunks)), limits)
    expect(bytes).toHaveLength(5000)
    expect(bytes.buffer.byteLength).toBeLessThanOrEqual(2 * 5000)
  })

  it('does not share memory with the chunks of the stream', async () => {
    const chunk = Uint8Array.of(1, 2, 3)
    const bytes = await readWebBody(requestWith(streamOf([chunk])), limits)
    chunk.fill(0)
    expect([...bytes]).toEqual([1, 2, 3])
  })

  it('accepts a body of exactly maxBytes', async () => {
    const chunks = [new Uint8Array(600), new Uint8Array(400)]
    expect(await readWebBody(requestWith(streamOf(chunks)), { maxBytes: 1000 })).toHaveLength(1000)
  })

  it('refuses a longer body with the limit, and cancels the stream', async () => {
    const cancel = vi.fn()
    const chunks = Array.from({ length: 100 }, () => new Uint8Array(600))
    await expect(readWebBody(requestWith(streamOf(chunks, cancel)), { maxBytes: 1000 })).rejects.toMatchObject({
      code: 'body_too_large',
      maxBytes: 1000,
    })
    expect(cancel).toHaveBeenCalledTimes(1)
  })

  it.each<[string, (request: Request) => unknown]>([
    ['was read', (request) => request.text()],
    ['is being read', (request) => request.body?.getReader()],
  ])('refuses a body that %s by other code, with the fix', async (_given, read) => {
    const request = requestWith('text')
    await read(request)
    await expect(readWebBody(request, limits)).rejects.toEqual(
      refusal('raw_body_unavailable', 'Pass the request unread, or a clone() of it.'),
    )
  })

  it('names the fix of the host where that has one', async () => {
    const request = requestWith('text')
    await request.text()
    await expect(readWebBody(request, limits, 'Use c.req.raw.')).rejects.toEqual(
      refusal('raw_body_unavailable', 'Use c.req.raw.'),
    )
  })

  it('rejects with what the stream fails with', async () => {
    const stream = new ReadableStream({ pull: (controller) => controller.error(new Error('reset')) })
    await expect(readWebBody(requestWith(stream), limits)).rejects.toThrow('reset')
  })
})

import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { decode, parseContentEncoding } from '../../src/download/content-coding.ts'
import { failureOf } from '../failure-of.ts'

const text = Buffer.from('artifact '.repeat(200))

async function* piecesOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void, void> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
}

async function decoded(contentEncoding: string | undefined, bytes: Uint8Array, size = 1): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of decode(piecesOf(bytes, size), parseContentEncoding(contentEncoding))) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

describe('content codings', () => {
  it.each<readonly [contentEncoding: string | undefined, bytes: Uint8Array]>([
    [undefined, text],
    ['', text],
    ['identity', text],
    ['aws-chunked', text],
    ['gzip', gzipSync(text)],
    ['GZip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['br', brotliCompressSync(text)],
    ['deflate', deflateSync(text)],
    ['deflate', deflateRawSync(text)],
    ['gzip, br', brotliCompressSync(gzipSync(text))],
    ['br,gzip', gzipSync(brotliCompressSync(text))],
    ['deflate, gzip', gzipSync(deflateRawSync(text))],
    ['gzip, deflate', deflateRawSync(gzipSync(text))],
    ['gzip, gzip', gzipSync(gzipSync(text))],
    ['gzip,aws-chunked', gzipSync(text)],
    ['aws-chunked, gzip', gzipSync(text)],
    ['gzip, identity,', gzipSync(text)],
  ])('%s is undone from the right, in chunks of any size', async (contentEncoding, bytes) => {
    expect(await decoded(contentEncoding, bytes, 1)).toBe(text.toString())
    expect(await decoded(contentEncoding, bytes, 1_000_000)).toBe(text.toString())
  })

  it.each(['gzip', 'br', 'deflate', 'gzip, br'])(
    '%s of an empty object is an empty artifact',
    async (contentEncoding) => {
      expect(await decoded(contentEncoding, Buffer.alloc(0))).toBe('')
    },
  )

  it.each([
    'zstd',
    'UTF-8',
    'gzip, zstd',
    'zstd, gzip',
    'constructor',
    'gzip;q=1',
    'gzip, gzip, gzip, gzip, gzip, gzip',
  ])('%s is content_coding_unsupported', (contentEncoding) => {
    expect(() => parseContentEncoding(contentEncoding)).toThrow(
      expect.objectContaining({ code: 'content_coding_unsupported', contentEncoding }),
    )
  })

  it.each([
    ['gzip', text],
    ['gzip', gzipSync(text).subarray(0, -4)],
    ['br', text],
    ['deflate', text],
    ['br, gzip', gzipSync(text)],
  ])('a body that is not %s throws', async (contentEncoding, bytes) => {
    expect(await failureOf(decoded(contentEncoding, bytes))).toMatchObject({
      code: expect.stringMatching(/^(Z_|ERR_)/),
    })
  })

  it('throws what the body throws', async () => {
    const reason = new Error('reset')
    async function* breaking(): AsyncGenerator<Uint8Array, void, void> {
      yield gzipSync(text).subarray(0, 20)
      throw reason
    }
    const read = async (): Promise<void> => {
      for await (const _ of decode(breaking(), parseContentEncoding('gzip, gzip')));
    }

    expect(await failureOf(read())).toBe(reason)
  })
})

import { pipeline, Readable, type Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib'
import { ScrapeNestError } from '../errors.ts'

/** Creates the stream that decodes a coding, given the first byte of the encoded body. */
export type Decoder = (firstByte: number | undefined) => Transform

const decoders: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ['br', () => createBrotliDecompress()],
  ['deflate', (firstByte) => (isZlibHeader(firstByte) ? createInflate() : createInflateRaw())],
  ['gzip', () => createGunzip()],
  ['x-gzip', () => createGunzip()],
])

/** Names that do not change any byte. `aws-chunked` describes how an object was uploaded, not how it is stored. */
const transparent: ReadonlySet<string> = new Set(['', 'aws-chunked', 'identity'])

/** The same limit as curl. More are not needed in practice, and each costs memory. */
const maxCodings = 5

/** `deflate` means zlib, but some senders omit the zlib header (RFC 9110, section 8.4.1.2). */
function isZlibHeader(firstByte: number | undefined): boolean {
  return firstByte !== undefined && (firstByte & 0x0f) === 8
}

/**
 * Parses a `content-encoding` header. An object store returns the header that an object was stored with, whatever
 * the request accepts.
 *
 * @returns the decoders, in the order to apply them.
 * @throws {ScrapeNestError} `content_coding_unsupported`
 */
export function parseContentEncoding(contentEncoding = ''): readonly Decoder[] {
  const names = contentEncoding.split(',').map((name) => name.trim().toLowerCase())
  const undone: Decoder[] = []
  for (const name of names.reverse()) {
    if (transparent.has(name)) continue
    const decoder = decoders.get(name)
    if (decoder === undefined || undone.length === maxCodings) throw unsupported(contentEncoding)
    undone.push(decoder)
  }
  return undone
}

function unsupported(header: string): ScrapeNestError {
  const contentEncoding = header.slice(0, 100)
  const message = `The artifact has the content-encoding ${JSON.stringify(contentEncoding)}.`
  return new ScrapeNestError({ code: 'content_coding_unsupported', message, contentEncoding })
}

/** Applies decoders to a body, one after the other. Rethrows the body's errors, and throws zlib's. */
export function decode(
  body: AsyncGenerator<Uint8Array, void, void>,
  decoders: readonly Decoder[],
): AsyncGenerator<Uint8Array, void, void> {
  return decoders.reduce(applyDecoder, body)
}

async function* applyDecoder(
  body: AsyncGenerator<Uint8Array, void, void>,
  createDecoder: Decoder,
): AsyncGenerator<Uint8Array, void, void> {
  const first = await body.next()
  // Object stores send a content-encoding even for an empty object, and no decoder accepts an empty body.
  if (first.done) return
  const { value } = first
  async function* whole(): AsyncGenerator<Uint8Array, void, void> {
    yield value
    yield* body
  }
  // pipeline passes each error of the body to the decoder. A bare pipe would wait indefinitely.
  yield* pipeline(Readable.from(whole()), createDecoder(value[0]), () => {})
}

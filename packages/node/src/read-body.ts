import { IncomingMessage } from 'node:http'
import { pipeline, type Readable, Transform, type TransformCallback } from 'node:stream'
import { setImmediate } from 'node:timers'
import { type BodyLimits, WebhookError } from '@scrapenest-webhooks/core'
import { bodyTooLarge, findKeptBody } from '@scrapenest-webhooks/core/adapter'

/** Where the raw body of a request may be. */
export interface BodySource {
  readonly request: IncomingMessage
  /** Where the parsers of this host may have kept the body, most exact first, as for `findKeptBody`. */
  readonly kept: readonly (() => unknown)[]
  /** The stream to read. @default the request */
  readonly stream?: Readable | undefined
  /** What the operator should do when the body is lost. */
  readonly fix: string
}

/**
 * The exact bytes of the body: what a parser kept, what the stream still has, or what the platform replays.
 *
 * @throws {WebhookError} `raw_body_unavailable`, with the fix, or what reading the stream throws.
 */
export async function readRawBody(source: BodySource, limits: BodyLimits): Promise<Uint8Array> {
  const { request, kept, stream = request, fix } = source
  const contentLength = request.headers['content-length']
  const keptBody = findKeptBody(kept, contentLength)
  if (keptBody !== undefined) return keptBody
  // setEncoding makes a stream return text, which has lost whatever is not UTF-8.
  if (!stream.readableDidRead && stream.readableEncoding === null) {
    const body = await readBody(stream, limits)
    // HTTP/2 ends the stream of a client that disconnected before it was read.
    if (contentLength !== undefined && body.byteLength < Number(contentLength)) throw new WebhookError('body_aborted')
    return body
  }
  const replayed = findKeptBody([() => readReplayed(request, limits)], contentLength)
  if (replayed !== undefined) return replayed
  throw new WebhookError('raw_body_unavailable', fix)
}

/**
 * Some serverless platforms read the body themselves and replace `read` and `on` of the request, so that it can be read
 * once more (Vercel's Node helpers).
 */
function readReplayed(request: IncomingMessage, { maxBytes }: BodyLimits): Uint8Array | undefined {
  if (!Object.hasOwn(request, 'read')) return undefined
  const chunks: Uint8Array[] = []
  // One chunk more than allowed is enough for the receiver to refuse it as too large.
  for (let length = 0; length <= maxBytes; ) {
    const chunk: unknown = request.read()
    if (!ArrayBuffer.isView(chunk)) break
    chunks.push(chunk as Uint8Array)
    length += chunk.byteLength
  }
  return Buffer.concat(chunks)
}

/**
 * Reads the body of a stream that nothing has read. Settles in every case: with the bytes, at the limit, or when the
 * client disconnects. At the limit it stops reading; the reply must then close the connection.
 *
 * @throws {WebhookError} `body_too_large` as counted, `body_aborted`, or `raw_body_unavailable`: something else read
 * it.
 */
export async function readBody(stream: Readable, { maxBytes }: BodyLimits): Promise<Uint8Array> {
  closeHttp2StreamAfterReply(stream)
  if (stream instanceof IncomingMessage && stream.readableFlowing !== true) {
    // Nearly every body arrives in one segment with its headers and is complete at the end of this turn. Taking it then
    // costs less than listening to the stream (`docs/decisions/0010-raw-body.md`).
    await new Promise(setImmediate)
    if (stream.readableDidRead) throw new WebhookError('raw_body_unavailable', 'Something else read it meanwhile.')
    if (stream.complete && !stream.destroyed && stream.readableLength <= maxBytes) return takeBuffered(stream)
  }
  if (stream.readableEnded && stream.errored === null) return withoutBody(stream)
  if (stream.destroyed || stream.errored !== null) {
    // Its error may not have been emitted yet, and without a listener it would end the process.
    stream.on('error', () => {})
    throw aborted(stream.errored)
  }
  return await readChunks(stream, maxBytes)
}

/**
 * The body of a stream that ended without having been read: a request had none, unless the client disconnected. Any
 * other stream, such as a platform's imitation of a request, had one that is lost.
 */
function withoutBody(stream: Readable & { readonly aborted?: boolean }): Uint8Array {
  if (stream.aborted === true) throw aborted(null)
  if (stream instanceof IncomingMessage || isHttp2(stream)) return new Uint8Array()
  throw new WebhookError('raw_body_unavailable', 'Its stream had ended before it was read.')
}

/** Up to Node 24, one `read` returns everything; from Node 26 on, one chunk. */
function takeBuffered(stream: Readable): Uint8Array {
  const chunks: Uint8Array[] = []
  let chunk: Uint8Array | null
  do {
    chunk = stream.read()
    if (chunk !== null) chunks.push(chunk)
  } while (chunk !== null && stream.readableLength > 0)
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks)
}

/**
 * Reads with raw-body, behind a pipeline. The pipeline turns every way a connection can break into an error; raw-body
 * by itself never settles when a stream only emits 'close'.
 */
async function readChunks(stream: Readable, maxBytes: number): Promise<Uint8Array> {
  const joined = new JoinChunks(maxBytes)
  // Before anything is awaited: the stream may break at any time.
  pipeline(stream, joined, () => {})
  // Not at the top: raw-body and its dependencies double the time it takes to import this package, and most processes
  // only see bodies that arrive with their headers.
  const { default: getRawBody } = await import('raw-body')
  if (joined.destroyed) throw aborted(joined.errored)
  return await new Promise((resolve, reject) => {
    // The callback: the promise form can lose a race against 'close'.
    getRawBody(joined, { limit: maxBytes }, (error, body) => {
      if (error === null || error === undefined) resolve(body)
      else reject(error.type === 'entity.too.large' ? bodyTooLarge(maxBytes) : aborted(error))
    })
  })
}

function aborted(cause: Error | null): WebhookError {
  return new WebhookError('body_aborted', undefined, { cause: cause ?? undefined })
}

const blockBytes = 16_384

/**
 * Copies chunks into blocks. Code that keeps chunks, as raw-body does, holds a Buffer of some hundred bytes for each: a
 * body of one MiB that arrives byte by byte would hold more than 100 MB.
 */
class JoinChunks extends Transform {
  readonly #maxBytes: number
  #block = Buffer.allocUnsafe(0)
  #length = 0
  #totalLength = 0

  constructor(maxBytes: number) {
    super()
    this.#maxBytes = maxBytes
  }

  override _transform(chunk: Uint8Array, _encoding: unknown, done: TransformCallback): void {
    let copied = 0
    while (copied < chunk.byteLength) {
      if (this.#length === this.#block.byteLength) this.#startBlock()
      const part = chunk.subarray(copied, copied + this.#block.byteLength - this.#length)
      this.#block.set(part, this.#length)
      this.#length += part.byteLength
      copied += part.byteLength
    }
    this.#totalLength += chunk.byteLength
    // At the limit, what is there goes on at once: the rest of the block may never arrive.
    if (this.#totalLength > this.#maxBytes) this.#startBlock()
    done()
  }

  override _flush(done: TransformCallback): void {
    this.#pushBlock()
    done()
  }

  #startBlock(): void {
    this.#pushBlock()
    // Not from the pool, which a small block would keep alive.
    this.#block = Buffer.allocUnsafeSlow(blockBytes)
    this.#length = 0
  }

  #pushBlock(): void {
    if (this.#length > 0) this.push(this.#block.subarray(0, this.#length))
  }
}

/** What is used of the HTTP/2 stream that a request of node:http2 carries. */
interface Http2Stream {
  once(event: 'finish', listener: () => void): unknown
  close(): void
}

/**
 * HTTP/2 has no `connection: close`. A stream whose body was not read to the end stays open after its reply, together
 * with everything the client goes on sending, so it is closed (RFC 9113, 8.1).
 */
function closeHttp2StreamAfterReply(request: Readable): void {
  if (!isHttp2(request)) return
  request.stream.once('finish', () => {
    if (!request.readableEnded) request.stream.close()
  })
}

function isHttp2(request: Readable & { readonly stream?: Partial<Http2Stream> }): request is Readable & {
  readonly stream: Http2Stream
} {
  return typeof request.stream?.close === 'function'
}

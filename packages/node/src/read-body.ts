import { IncomingMessage } from 'node:http'
import { pipeline, type Readable, Transform, type TransformCallback } from 'node:stream'
import { setImmediate } from 'node:timers'
import { type BodyLimits, ConfigurationError, WebhookError } from '@scrapenest-webhooks/core'
import { bodyTooLarge, findKeptBody } from '@scrapenest-webhooks/core/adapter'

/** Where to find the raw body of a request. */
export interface BodySource {
  /** The request whose headers describe the body. */
  readonly request: IncomingMessage
  /** Where the host's parsers may have kept the body, most exact first, as for `findKeptBody`. */
  readonly kept: readonly (() => unknown)[]
  /**
   * The stream to read.
   * @default the request
   */
  readonly stream?: Readable | undefined
  /** Tells the operator what to do if the body is lost. */
  readonly fix: string
}

/**
 * Returns the exact bytes of the body, whether a parser kept them, the stream still has them, or the platform replays them.
 *
 * @throws {WebhookError} `raw_body_unavailable` (with the fix), `body_too_large` or `body_aborted`.
 */
export async function readRawBody(source: BodySource, limits: BodyLimits): Promise<Uint8Array> {
  const { request, kept, stream = request, fix } = source
  const contentLength = request.headers['content-length']
  const keptBody = findKeptBody(kept, contentLength)
  if (keptBody !== undefined) return keptBody
  // With an encoding set, a stream returns text, which has lost all bytes that are not UTF-8.
  if (!stream.readableDidRead && stream.readableEncoding === null) {
    const body = await readBody(stream, limits)
    // HTTP/2 ends the stream of a client that disconnects before it is read.
    if (contentLength !== undefined && body.byteLength < Number(contentLength)) throw new WebhookError('body_aborted')
    return body
  }
  const replayed = findKeptBody([() => readReplayed(request, limits)], contentLength)
  if (replayed !== undefined) return replayed
  throw new WebhookError('raw_body_unavailable', fix)
}

/**
 * Some serverless platforms read the body themselves and replace `read` and `on` of the request, so that it can be read
 * again (Vercel's Node helpers).
 */
function readReplayed(request: IncomingMessage, { maxBytes }: BodyLimits): Uint8Array | undefined {
  if (!Object.hasOwn(request, 'read')) return undefined
  const chunks: Uint8Array[] = []
  // Stops once past the limit. The receiver then refuses the body as too large.
  for (let length = 0; length <= maxBytes; ) {
    const chunk: unknown = request.read()
    if (!ArrayBuffer.isView(chunk)) break
    chunks.push(chunk as Uint8Array)
    length += chunk.byteLength
  }
  return Buffer.concat(chunks)
}

/**
 * Reads the body of an unread stream. Always settles: with the bytes, at the limit, or when the client disconnects. At the
 * limit it stops reading, and the reply must close the connection.
 *
 * @throws {WebhookError} `body_too_large`: the bytes exceed the limit. `body_aborted`: the client disconnected.
 * `raw_body_unavailable`: something else read the stream. `configuration_invalid`: raw-body cannot be loaded.
 */
export async function readBody(stream: Readable, { maxBytes }: BodyLimits): Promise<Uint8Array> {
  closeHttp2StreamAfterReply(stream)
  if (stream instanceof IncomingMessage && stream.readableFlowing !== true) {
    // Nearly every body arrives in one segment with its headers and is complete at the end of this turn. Taking it from the
    // buffer then is cheaper than listening to the stream (`docs/decisions/0010-raw-body.md`).
    await new Promise(setImmediate)
    if (stream.readableDidRead)
      throw new WebhookError('raw_body_unavailable', 'Something else read it at the same time.')
    if (stream.complete && !stream.destroyed && stream.readableLength <= maxBytes) return takeBuffered(stream)
  }
  if (stream.readableEnded && stream.errored === null) return withoutBody(stream)
  if (stream.destroyed || stream.errored !== null) {
    // The error may be emitted later, and without a listener it would end the process.
    stream.on('error', () => {})
    throw aborted(stream.errored)
  }
  return await readChunks(stream, maxBytes)
}

/**
 * The body of a stream that ended unread. A real request had no body, unless the client disconnected. Any other stream,
 * such as a platform's imitation of a request, may have had a body that is now lost.
 */
function withoutBody(stream: Readable & { readonly aborted?: boolean }): Uint8Array {
  if (stream.aborted === true) throw aborted(null)
  if (stream instanceof IncomingMessage || isHttp2(stream)) return new Uint8Array()
  throw new WebhookError('raw_body_unavailable', 'Its stream ended before it was read.')
}

/** Up to Node 24, one `read` returns everything. Since Node 26, it returns one chunk. */
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
 * Reads with raw-body behind a pipeline, which turns every kind of broken connection into an error. Without it, raw-body
 * never settles if a stream only emits 'close'.
 */
async function readChunks(stream: Readable, maxBytes: number): Promise<Uint8Array> {
  const joined = new JoinChunks(maxBytes)
  // Before any await, because the stream may break at any time.
  pipeline(stream, joined, () => {})
  // Imported here, because raw-body and its dependencies double the import time of this package, and most processes only
  // see bodies that arrive with their headers.
  const { default: getRawBody } = await import('raw-body').catch((cause) => {
    throw new ConfigurationError(
      'raw-body, a dependency of @scrapenest-webhooks/node, cannot be loaded. It is loaded with the first body that arrives in pieces, so keep node_modules for as long as the process runs.',
      { cause },
    )
  })
  if (joined.destroyed) throw aborted(joined.errored)
  return await new Promise((resolve, reject) => {
    // The callback, because the promise form can lose a race against 'close'.
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
 * Copies chunks into blocks. raw-body keeps every chunk, and each costs a Buffer of a few hundred bytes: a body of 1 MiB
 * that arrives byte by byte would hold more than 100 MB.
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
    // Past the limit, passes on what it has: the rest of the block may never arrive.
    if (this.#totalLength > this.#maxBytes) this.#startBlock()
    done()
  }

  override _flush(done: TransformCallback): void {
    this.#pushBlock()
    done()
  }

  #startBlock(): void {
    this.#pushBlock()
    // Not from the pool: a small block would keep the whole pool alive.
    this.#block = Buffer.allocUnsafeSlow(blockBytes)
    this.#length = 0
  }

  #pushBlock(): void {
    if (this.#length > 0) this.push(this.#block.subarray(0, this.#length))
  }
}

/** The members used here of an HTTP/2 stream, which a node:http2 request carries as `stream`. */
interface Http2Stream {
  once(event: 'finish', listener: () => void): unknown
  close(): void
}

/**
 * HTTP/2 has no `connection: close`. A stream whose body was not read to the end would stay open after its reply and keep
 * everything the client still sends, so it is closed (RFC 9113, 8.1).
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

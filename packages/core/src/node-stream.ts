import { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { setImmediate } from 'node:timers'
import { WebhookError } from './errors.ts'
import type { BodyLimits } from './request.ts'

/**
 * Reads a request's body exactly as it came, from a stream that nobody has read.
 *
 * Ends in every case: with the bytes, at the limit, or when the client goes away. At the limit it stops reading and leaves
 * the stream paused; the reply must then close the connection.
 *
 * @throws {WebhookError} `body_too_large` as counted, `body_aborted`, or `raw_body_unavailable`: something else reads the stream
 */
export async function readNodeStream(stream: Readable, { maxBytes }: BodyLimits): Promise<Uint8Array> {
  // Where somebody listens already, the bytes come once and for both of us.
  if (stream instanceof IncomingMessage && stream.readableFlowing !== true) {
    // Almost every body comes in one segment with its headers, and is whole once this turn of the event loop is over. To
    // take it then costs less than to listen to the stream, and to wait for its end.
    await new Promise(setImmediate)
    if (stream.readableDidRead)
      throw new WebhookError('raw_body_unavailable', 'Something else read the request meanwhile.')
    if (stream.complete && !stream.destroyed && stream.readableLength <= maxBytes) return readBuffered(stream)
  }
  return await readChunks(stream, maxBytes)
}

/** Up to Node 24 one `read` gives all that is there, from Node 26 on one chunk; the last one brings the end with it. */
function readBuffered(stream: Readable): Uint8Array {
  const chunks: Uint8Array[] = []
  let chunk: Uint8Array | null
  do {
    chunk = stream.read()
    if (chunk !== null) chunks.push(chunk)
  } while (chunk !== null && stream.readableLength > 0)
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks)
}

function readChunks(stream: Readable, maxBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    if (stream.destroyed || stream.errored !== null) {
      // What ended it may not have been told yet, and an 'error' that nobody hears ends the process.
      stream.on('error', () => {})
      reject(new WebhookError('body_aborted', undefined, { cause: stream.errored ?? undefined }))
      return
    }
    if (stream.readableEnded) {
      // Ended before we came, without having been read: there was no body.
      resolve(new Uint8Array())
      return
    }
    const chunks: Uint8Array[] = []
    let byteLength = 0
    const endWithReply = endsHttp2StreamWithReply(stream)

    function stop(): void {
      stream.off('data', onData).off('end', onEnd).off('error', onBroken).off('close', onBroken)
    }
    /** An error keeps the functions of its stack, and with them what they see: what was read would live as long as it. */
    function discard(): void {
      stop()
      chunks.length = 0
    }
    function onData(chunk: Uint8Array): void {
      byteLength += chunk.byteLength
      if (byteLength <= maxBytes) {
        chunks.push(chunk)
        return
      }
      discard()
      // What is not read any more may still break, and an 'error' that nobody hears ends the process.
      stream.pause().on('error', () => {})
      reject(new WebhookError('body_too_large'))
    }
    function onEnd(): void {
      stop()
      endWithReply.cancel()
      resolve(chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks, byteLength))
    }
    // 'close' without 'end' is how every supported Node reports a client that went away in the middle of a body.
    function onBroken(error?: Error): void {
      discard()
      reject(new WebhookError('body_aborted', undefined, { cause: error }))
    }
    stream.on('data', onData).on('end', onEnd).on('error', onBroken).on('close', onBroken)
  })
}

/** The part that is used of an HTTP/2 stream, which a request of node:http2 carries. */
interface Http2Stream {
  once(event: 'finish', listener: () => void): unknown
  off(event: 'finish', listener: () => void): unknown
  close(): void
}

/**
 * HTTP/2 knows no `connection: close`. A stream of which a part was read stays open when it has been answered, with all
 * that the client goes on sending; so it is closed with its reply (RFC 9113, 8.1), unless the body came to its end.
 */
function endsHttp2StreamWithReply(request: Readable & { readonly stream?: Partial<Http2Stream> }): {
  readonly cancel: () => void
} {
  const { stream } = request
  if (typeof stream?.close !== 'function') return { cancel() {} }
  const http2Stream = stream as Http2Stream
  const close = (): void => http2Stream.close()
  http2Stream.once('finish', close)
  return { cancel: () => void http2Stream.off('finish', close) }
}

/** Whether something has read from the stream, so that the exact bytes are gone. `readableEnded` alone does not tell: an empty body ends unread. */
export function wasRead(stream: Readable): boolean {
  return stream.readableDidRead
}

import { WebhookError } from '../errors.ts'
import { type BodyLimits, bodyTooLarge } from './request.ts'

const defaultFix = 'request.json() or request.text() was called before. Pass the request unread, or a clone() of it.'

/**
 * Reads the body of a fetch `Request`.
 *
 * @param fix what the operator should do when the body has already been read.
 *
 * @throws {WebhookError} `raw_body_unavailable`: something has read it before; `body_too_large`, `body_aborted`: fewer bytes than declared
 */
export async function readWebBody(
  request: Request,
  { maxBytes }: BodyLimits,
  fix: string = defaultFix,
): Promise<Uint8Array> {
  if (request.bodyUsed || request.body?.locked) throw new WebhookError('raw_body_unavailable', fix)
  if (request.body === null) return new Uint8Array()
  let bytes = new Uint8Array()
  let length = 0
  // Leaving the loop early cancels the stream.
  for await (const chunk of request.body) {
    if (length + chunk.byteLength > maxBytes) throw bodyTooLarge(maxBytes)
    // Into one growing buffer: keeping the chunks would cost a few hundred bytes for each, even for those of one byte.
    if (length + chunk.byteLength > bytes.byteLength) {
      const longer = new Uint8Array(Math.max(2 * bytes.byteLength, length + chunk.byteLength))
      longer.set(bytes.subarray(0, length))
      bytes = longer
    }
    bytes.set(chunk, length)
    length += chunk.byteLength
  }
  // A server may end the stream of a client that disconnected.
  const declared = request.headers.get('content-length')
  if (declared !== null && length < Number(declared)) throw new WebhookError('body_aborted')
  return bytes.subarray(0, length)
}

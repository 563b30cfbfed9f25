import { WebhookError } from '../errors.ts'

/**
 * Any view of bytes as a `Uint8Array`, without a copy. Text is refused: it may have been built from a parsed body.
 *
 * @throws {WebhookError} `raw_body_unavailable`
 */
export function toBytes(body: unknown): Uint8Array {
  if (!ArrayBuffer.isView(body)) {
    throw new WebhookError('raw_body_unavailable', 'Pass the bytes as they were received, before any parser.')
  }
  // Not an instance of our Uint8Array if it comes from another realm (a vm context, a test runner).
  return body instanceof Uint8Array ? body : new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
}

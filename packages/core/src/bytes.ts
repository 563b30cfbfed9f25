import { WebhookError } from './errors.ts'

/**
 * Whatever holds bytes, as bytes. Text holds none: it may have been made of a parsed body.
 *
 * @throws {WebhookError} `raw_body_unavailable`
 */
export function toBytes(body: unknown): Uint8Array {
  if (!ArrayBuffer.isView(body)) {
    throw new WebhookError('raw_body_unavailable', 'hand over the bytes as they came, before any parser.')
  }
  // Bytes of another realm (a vm context, a test runner) are no instance of our Uint8Array, and a view may have wider elements.
  return body instanceof Uint8Array ? body : new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
}

import { isWebhookError, WebhookError } from '../errors.ts'
import { type CollectedHeaders, collectHeaders } from '../verify/headers.ts'
import { asBytes, toBytes } from '../verify/verify.ts'
import type { BodyLimits, WebhookRequest } from './request.ts'

/**
 * Checks the headers that describe the body, before any of it is read.
 *
 * @throws {WebhookError} `content_encoding_unsupported`, or `body_too_large` for its declared length.
 */
export function checkBodyHeaders(headers: CollectedHeaders, maxBytes: number): void {
  const encoding = headers['content-encoding']
  if (encoding !== undefined && !(typeof encoding === 'string' && /^(identity)?$/i.test(encoding))) {
    throw new WebhookError('content_encoding_unsupported')
  }
  const length = headers['content-length']
  if (typeof length === 'string' && Number(length) > maxBytes) throw bodyTooLarge(maxBytes)
}

/** The error `body_too_large`, with the limit in bytes. */
export function bodyTooLarge(maxBytes: number): WebhookError {
  return new WebhookError('body_too_large', `The limit is ${maxBytes} bytes.`, { maxBytes })
}

/** Whether the content type is JSON: `application/json`, `text/json`, or any `+json`. */
export function isJson(headers: CollectedHeaders): boolean {
  const contentType = headers['content-type']
  return typeof contentType === 'string' && /^\s*[^\s;/]+\/([^\s;]+\+)?json\s*(;|$)/i.test(contentType)
}

/**
 * Whether a reply that is sent without reading the body must close the connection. HTTP/2, recognized by its
 * pseudo-headers, ends the stream instead and has no `connection` header.
 */
export function mustCloseIfUnread(request: Pick<WebhookRequest, 'headers'>): boolean {
  try {
    const headers = collectHeaders(request.headers)
    if (headers[':method'] !== undefined) return false
    return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
  } catch {
    // Contradictory headers say nothing about the body, so closing is the safe choice.
    return true
  }
}

/**
 * Reads the body.
 *
 * @throws {WebhookError} `body_too_large`, `body_aborted` or `raw_body_unavailable`. If the content type is not JSON,
 * `content_type_unsupported` replaces `raw_body_unavailable`: the sender chose the parser, so the operator is not alerted.
 */
export async function readBody(
  request: WebhookRequest,
  headers: CollectedHeaders,
  maxBytes: number,
): Promise<Uint8Array> {
  let body: Uint8Array
  try {
    body = toBytes(await request.body({ maxBytes }))
  } catch (error) {
    if (!isWebhookError(error)) throw new WebhookError('body_aborted', undefined, { cause: error })
    if (error.code !== 'raw_body_unavailable' || isJson(headers)) throw error
    throw new WebhookError('content_type_unsupported', undefined, { cause: error })
  }
  if (body.byteLength > maxBytes) throw bodyTooLarge(maxBytes)
  // Copied before the next await: a host may reuse its buffer, and the stored bytes must be the verified ones.
  return Buffer.from(body)
}

/**
 * Finds a body that the host's parsers kept. Text is encoded as UTF-8. Other values and getters that throw are ignored.
 *
 * A copy whose length differs from the declared one is not the body: text parsers drop a byte order mark, decoding
 * anything but UTF-8 changes the length, and some middleware fills the field later. Without a declared length, an empty
 * copy does not count.
 *
 * @param kept the places to look, most exact first.
 * @param contentLength the `content-length` header.
 */
export function findKeptBody(kept: readonly (() => unknown)[], contentLength: unknown): Uint8Array | undefined {
  for (const value of kept) {
    const bytes = bytesOf(value)
    if (bytes === undefined) continue
    if (contentLength === undefined ? bytes.byteLength > 0 : bytes.byteLength === Number(contentLength)) return bytes
  }
  return undefined
}

function bytesOf(value: () => unknown): Uint8Array | undefined {
  try {
    const kept = value()
    // Not `toBytes`: most deliveries keep nothing, and creating an error for each would slow all of them down.
    return asBytes(typeof kept === 'string' ? Buffer.from(kept) : kept)
  } catch {
    return undefined
  }
}

const defaultFix =
  'The body was already read, for example with request.json(). Call this handler first, or read a clone() of the request instead.'

/**
 * Reads the body of a fetch `Request`.
 *
 * @param limits.maxBytes stops reading once the body is longer than this, in bytes.
 * @param fix tells the operator what to do if the body has already been read.
 * @throws {WebhookError} `raw_body_unavailable`: something has already read it. `body_too_large`: it exceeds `maxBytes`.
 * `body_aborted`: it is shorter than declared.
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
    // One growing buffer, because each chunk that is kept costs a few hundred bytes, even if it holds a single one.
    if (length + chunk.byteLength > bytes.byteLength) {
      const longer = new Uint8Array(Math.max(2 * bytes.byteLength, length + chunk.byteLength))
      longer.set(bytes.subarray(0, length))
      bytes = longer
    }
    bytes.set(chunk, length)
    length += chunk.byteLength
  }
  // Some servers end the stream when the client disconnects.
  const declared = request.headers.get('content-length')
  if (declared !== null && length < Number(declared)) throw new WebhookError('body_aborted')
  return bytes.subarray(0, length)
}

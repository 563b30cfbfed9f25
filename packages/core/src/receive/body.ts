import { isWebhookError, WebhookError } from '../errors.ts'
import { type CollectedHeaders, collectHeaders } from '../verify/headers.ts'
import { toBytes } from '../verify/verify.ts'
import type { BodyLimits, WebhookRequest } from './request.ts'

/**
 * Checks what the headers say about the body, before a byte of it is read.
 *
 * @throws {WebhookError} `content_encoding_unsupported`, or `body_too_large` as declared.
 */
export function checkBodyHeaders(headers: CollectedHeaders, maxBytes: number): void {
  const encoding = headers['content-encoding']
  if (encoding !== undefined && !(typeof encoding === 'string' && /^(identity)?$/i.test(encoding))) {
    throw new WebhookError('content_encoding_unsupported')
  }
  const length = headers['content-length']
  if (typeof length === 'string' && Number(length) > maxBytes) throw bodyTooLarge(maxBytes)
}

/** `body_too_large`, with the limit. */
export function bodyTooLarge(maxBytes: number): WebhookError {
  return new WebhookError('body_too_large', `The limit is ${maxBytes} bytes.`, { maxBytes })
}

/** Whether the media type is JSON: `application/json`, `text/json`, or any `+json`. */
export function isJson(headers: CollectedHeaders): boolean {
  const contentType = headers['content-type']
  return typeof contentType === 'string' && /^\s*[^\s;/]+\/([^\s;]+\+)?json\s*(;|$)/i.test(contentType)
}

/**
 * Whether a reply sent without reading the body must close the connection. HTTP/2 (recognized by its pseudo headers)
 * ends the stream instead and has no `connection` header.
 */
export function mustCloseIfUnread(request: Pick<WebhookRequest, 'headers'>): boolean {
  try {
    const headers = collectHeaders(request.headers)
    if (headers[':method'] !== undefined) return false
    return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
  } catch {
    // Headers that contradict each other say nothing about the body: closing is the safe side.
    return true
  }
}

/**
 * Reads the body.
 *
 * @throws {WebhookError} `body_too_large`, `body_aborted`, `raw_body_unavailable`, or `content_type_unsupported`
 * instead of the last one if the media type is not JSON: then the sender picked the parser, and the operator is not
 * alarmed.
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
  // A copy, made before the next await: a host may reuse its buffer, and what is stored must be what was verified.
  return Buffer.from(body)
}

/**
 * Finds the body among the places where a host's parsers may have kept it, most exact first. Bytes are used, text is
 * encoded as UTF-8, anything else is ignored, and so is a getter that throws.
 *
 * A copy whose length is not the declared one is not the body: a text parser drops a byte order mark, a decoding other
 * than UTF-8 changes the length, and some middleware fills the field only later. Without a declared length, an empty
 * copy does not count.
 *
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
    return toBytes(typeof kept === 'string' ? Buffer.from(kept) : kept)
  } catch {
    return undefined
  }
}

const defaultFix = 'request.json() or request.text() was called before. Pass the request unread, or a clone() of it.'

/**
 * Reads the body of a fetch `Request`.
 *
 * @param fix what the operator should do when the body has already been read.
 *
 * @throws {WebhookError} `raw_body_unavailable`: something has read it before; `body_too_large`, `body_aborted`: fewer
 * bytes than declared
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

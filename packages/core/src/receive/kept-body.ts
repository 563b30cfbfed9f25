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
    if (typeof kept === 'string') return Buffer.from(kept)
    return ArrayBuffer.isView(kept) ? new Uint8Array(kept.buffer, kept.byteOffset, kept.byteLength) : undefined
  } catch {
    return undefined
  }
}

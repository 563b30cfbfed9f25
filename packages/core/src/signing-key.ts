import { createHmac, createSecretKey, hash, timingSafeEqual } from 'node:crypto'

/** SHA-256's block and digest (FIPS 180-4), which HMAC is built from (RFC 2104). */
const blockBytes = 64
const digestBytes = 32

/** A digest in base64, its padding included. */
export const signatureLength = 44

/**
 * Up to here one message is hashed by two calls of `crypto.hash`, beyond it by a streaming HMAC. To make an HMAC object is
 * much of the cost where little is hashed; the copy that a one-shot hash needs grows with the body, and the object does not.
 */
const oneShotBytes = 32_768

// Shared by all keys: a MAC is computed, compared and forgotten before any other code can run.
const message = Buffer.alloc(blockBytes + oneShotBytes)
const expected = Buffer.alloc(signatureLength)
const given = Buffer.alloc(signatureLength)

/** A key that signs, and shows itself to nobody: what a closure holds is neither printed nor serialised. */
export interface SigningKey {
  readonly byteLength: number
  /**
   * HMAC-SHA256 over `prefix` and `body`, in base64.
   *
   * @param prefix ASCII.
   */
  mac(prefix: string, body: Uint8Array): string
  /**
   * Whether one of the signatures is this key's, compared in constant time.
   *
   * @param signatures each in canonical base64 of 32 bytes: of those there is one text for each digest.
   */
  signed(prefix: string, body: Uint8Array, signatures: readonly string[]): boolean
}

export function signingKey(bytes: Uint8Array): SigningKey {
  const { byteLength } = bytes
  // Converted once: createHmac would convert bytes anew each time, which costs a third of what it costs to hash 64 KiB.
  const key = createSecretKey(bytes)
  /** The key XOR the inner pad: what the inner hash begins with. */
  const innerBlock = Buffer.alloc(blockBytes, 0x36)
  /** The key XOR the outer pad, and room for the inner digest: what the outer hash covers. */
  const outerMessage = Buffer.alloc(blockBytes + digestBytes, 0x5c)
  for (const [index, byte] of (byteLength > blockBytes ? hash('sha256', bytes, 'buffer') : bytes).entries()) {
    innerBlock[index] = byte ^ 0x36
    outerMessage[index] = byte ^ 0x5c
  }

  function mac(prefix: string, body: Uint8Array): string {
    const bodyStart = blockBytes + prefix.length
    const end = bodyStart + body.byteLength
    if (end > message.byteLength) {
      return createHmac('sha256', key).update(prefix, 'latin1').update(body).digest('base64')
    }
    message.set(innerBlock)
    message.write(prefix, blockBytes, 'latin1')
    message.set(body, bodyStart)
    // As text and not as a buffer of its own: that would be the most expensive part of a small hash.
    outerMessage.write(hash('sha256', message.subarray(0, end), 'binary'), blockBytes, 'latin1')
    return hash('sha256', outerMessage, 'base64')
  }

  return {
    byteLength,
    mac,
    signed(prefix, body, signatures) {
      expected.write(mac(prefix, body), 'latin1')
      return signatures.some((signature) => {
        given.write(signature, 'latin1')
        return timingSafeEqual(given, expected)
      })
    },
  }
}

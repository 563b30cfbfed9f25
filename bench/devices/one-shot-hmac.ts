// HMAC-SHA256 as two calls of `crypto.hash` (RFC 2104), in buffers shared by all keys. Creating an HMAC object is much of
// the cost of hashing short messages.
import { createHmac, createSecretKey, hash, timingSafeEqual } from 'node:crypto'

const blockBytes = 64
const digestBytes = 32
const signatureLength = 44
/** Longer messages are streamed, because a one-shot hash needs a copy. */
const oneShotBytes = 32_768

const message = Buffer.alloc(blockBytes + oneShotBytes)
const expected = Buffer.alloc(signatureLength)
const given = Buffer.alloc(signatureLength)

interface SigningKey {
  /** In base64. */
  mac(prefix: string, body: Uint8Array): string
}

export function signingKey(bytes: Uint8Array): SigningKey {
  const key = createSecretKey(bytes)
  const innerBlock = Buffer.alloc(blockBytes, 0x36)
  const outerMessage = Buffer.alloc(blockBytes + digestBytes, 0x5c)
  for (const [index, byte] of (bytes.byteLength > blockBytes ? hash('sha256', bytes, 'buffer') : bytes).entries()) {
    innerBlock[index] = byte ^ 0x36
    outerMessage[index] = byte ^ 0x5c
  }
  return {
    mac(prefix, body) {
      const bodyStart = blockBytes + prefix.length
      const end = bodyStart + body.byteLength
      if (end > message.byteLength) {
        return createHmac('sha256', key).update(prefix, 'latin1').update(body).digest('base64')
      }
      message.set(innerBlock)
      message.write(prefix, blockBytes, 'latin1')
      message.set(body, bodyStart)
      // As text: a separate Buffer would be the most expensive part of a small hash.
      outerMessage.write(hash('sha256', message.subarray(0, end), 'binary'), blockBytes, 'latin1')
      return hash('sha256', outerMessage, 'base64')
    },
  }
}

export function isSame(signature: string, mac: string): boolean {
  expected.write(mac, 'latin1')
  given.write(signature, 'latin1')
  return timingSafeEqual(given, expected)
}

import { createHmac, createSecretKey, hash, type KeyObject, timingSafeEqual } from 'node:crypto'

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

/** A key that signs, and shows itself to nobody: a private field is neither printed nor serialised. */
export class SigningKey {
  readonly byteLength: number
  readonly #key: KeyObject
  /** The key XOR the inner pad: what the inner hash begins with. */
  readonly #innerBlock: Buffer
  /** The key XOR the outer pad, and room for the inner digest: what the outer hash covers. */
  readonly #outerMessage: Buffer

  constructor(bytes: Uint8Array) {
    this.byteLength = bytes.byteLength
    // Converted once: a text key would be decoded anew by every createHmac.
    this.#key = createSecretKey(bytes)
    const key = bytes.byteLength > blockBytes ? hash('sha256', bytes, 'buffer') : bytes
    this.#innerBlock = Buffer.alloc(blockBytes, 0x36)
    this.#outerMessage = Buffer.alloc(blockBytes + digestBytes, 0x5c)
    for (const [index, byte] of key.entries()) {
      this.#innerBlock[index] = byte ^ 0x36
      this.#outerMessage[index] = byte ^ 0x5c
    }
  }

  /**
   * HMAC-SHA256 over `prefix` and `body`, in base64.
   *
   * @param prefix ASCII.
   */
  mac(prefix: string, body: Uint8Array): string {
    // As text and not as a buffer of its own: that would be the most expensive part of a small hash.
    const isSmall = prefix.length + body.byteLength <= oneShotBytes
    return isSmall ? this.#oneShot(prefix, body) : this.#streamed(prefix, body)
  }

  /**
   * Whether one of the signatures is this key's, compared in constant time.
   *
   * @param signatures each in canonical base64 of 32 bytes: of those there is one text for each digest.
   */
  signed(prefix: string, body: Uint8Array, signatures: readonly string[]): boolean {
    expected.write(this.mac(prefix, body), 'latin1')
    for (const signature of signatures) {
      given.write(signature, 'latin1')
      if (timingSafeEqual(given, expected)) return true
    }
    return false
  }

  #oneShot(prefix: string, body: Uint8Array): string {
    message.set(this.#innerBlock)
    const bodyStart = blockBytes + message.write(prefix, blockBytes, 'latin1')
    message.set(body, bodyStart)
    const inner = hash('sha256', message.subarray(0, bodyStart + body.byteLength), 'binary')
    this.#outerMessage.write(inner, blockBytes, 'latin1')
    return hash('sha256', this.#outerMessage, 'base64')
  }

  #streamed(prefix: string, body: Uint8Array): string {
    return createHmac('sha256', this.#key).update(prefix, 'latin1').update(body).digest('base64')
  }
}

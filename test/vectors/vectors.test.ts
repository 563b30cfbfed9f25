import { readFileSync } from 'node:fs'
import { sign, verify, type WebhookErrorCode } from '@scrapenest-webhooks/core'
import { describe, expect, it } from 'vitest'

interface Vector {
  readonly name: string
  readonly secret: string
  readonly messageId: string
  readonly timestamp: number
  readonly body:
    | { readonly utf8: string }
    | { readonly hex: string }
    | { readonly repeat: string; readonly times: number }
  readonly signature: string
  readonly mustNotCollideWith?: string
  readonly refused?: WebhookErrorCode
}

const vectors: readonly Vector[] = JSON.parse(readFileSync(new URL('vectors.json', import.meta.url), 'utf8'))
const accepted = vectors.filter((vector) => vector.refused === undefined)
const refused = vectors.filter((vector) => vector.refused !== undefined)
const distinct = vectors.filter((vector) => vector.mustNotCollideWith !== undefined)

describe('vectors', () => {
  it('include eleven that verify, one that must not verify, and one that must not collide', () => {
    expect([accepted.length, refused.length, distinct.length]).toEqual([11, 1, 1])
  })

  it.each(accepted)('sign returns the signature for $name', (vector) => {
    const { messageId, timestamp, signature, secret } = vector
    expect(sign({ id: messageId, timestamp, body: bytesOf(vector) }, secret)).toEqual({
      'svix-id': messageId,
      'svix-timestamp': String(timestamp),
      'svix-signature': signature,
    })
  })

  it.each(accepted)('verify accepts $name', (vector) => {
    const body = bytesOf(vector)
    const message = verify({ headers: headersOf(vector), body }, vector.secret, clockOf(vector))
    expect(message).toEqual({
      messageId: vector.messageId,
      sentAt: new Date(vector.timestamp * 1000),
      body,
      secretIndex: 0,
    })
  })

  it.each(accepted)('verify rejects an extra byte after $name', (vector) => {
    const body = Buffer.concat([bytesOf(vector), Buffer.from(' ')])
    expect(() => verify({ headers: headersOf(vector), body }, vector.secret, clockOf(vector))).toThrow(
      expect.objectContaining({ code: 'signature_mismatch' }),
    )
  })

  it.each(refused)('neither verify nor sign accepts $name', (vector) => {
    const { messageId, timestamp, secret, refused: code } = vector
    const body = bytesOf(vector)
    expect(() => verify({ headers: headersOf(vector), body }, secret, clockOf(vector))).toThrow(
      expect.objectContaining({ code }),
    )
    expect(() => sign({ id: messageId, timestamp, body }, secret)).toThrow(expect.objectContaining({ code }))
  })

  it.each(distinct)('the signature for $name does not verify the original bytes, or vice versa', (vector) => {
    const other = vectors.find(({ name }) => name === vector.mustNotCollideWith) as Vector
    expect(vector.signature).not.toBe(other.signature)
    for (const [signed, sent] of [
      [vector, other],
      [other, vector],
    ] as const) {
      const delivery = { headers: headersOf(signed), body: bytesOf(sent) }
      expect(() => verify(delivery, signed.secret, clockOf(signed))).toThrow(
        expect.objectContaining({ code: 'signature_mismatch' }),
      )
    }
  })
})

function headersOf({ messageId, timestamp, signature }: Vector): Record<string, string> {
  return { 'svix-id': messageId, 'svix-timestamp': String(timestamp), 'svix-signature': signature }
}

function bytesOf({ body }: Vector): Buffer {
  if ('utf8' in body) return Buffer.from(body.utf8, 'utf8')
  if ('hex' in body) return Buffer.from(body.hex, 'hex')
  return Buffer.alloc(body.times, body.repeat)
}

function clockOf({ timestamp }: Vector): { readonly now: () => number } {
  return { now: () => timestamp * 1000 }
}

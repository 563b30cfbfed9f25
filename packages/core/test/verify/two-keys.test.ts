import { createHmac } from 'node:crypto'
import { expect, it } from 'vitest'
import { verify } from '../../src/verify/verify.ts'

// scrapenest-sdk 1.2.0 (webhooks.py) takes the text of the secret as the key; ScrapeNest's guide decodes it.
const secret = `whsec_${Buffer.alloc(32, 5).toString('base64')}`
const other = `whsec_${Buffer.alloc(32, 6).toString('base64')}`
const seconds = 1_764_000_000
const now = (): number => seconds * 1000
const body = Buffer.from('{"event_type":"job.created"}')

function signedWith(key: Buffer): { headers: Record<string, string>; body: Buffer } {
  const mac = createHmac('sha256', key).update(`msg_1.${seconds}.`).update(body).digest('base64')
  return { headers: { 'svix-id': 'msg_1', 'svix-timestamp': String(seconds), 'svix-signature': `v1,${mac}` }, body }
}

const decoded = signedWith(Buffer.alloc(32, 5))
const text = signedWith(Buffer.from(secret))

it('accepts the decoded key and the text of the secret, in any order and again and again', () => {
  for (const message of [text, decoded, decoded, text, text]) {
    expect(verify(message, [other, secret], { now }).secretIndex).toBe(1)
  }
})

it.each([
  ['the base64 without its prefix, as text', Buffer.from(secret.slice(6))],
  ['the text of another secret', Buffer.from(other)],
  ['an empty key', Buffer.alloc(0)],
])('refuses %s', (_what, key) => {
  expect(() => verify(signedWith(key), secret, { now })).toThrowError(
    expect.objectContaining({ code: 'signature_mismatch' }),
  )
})

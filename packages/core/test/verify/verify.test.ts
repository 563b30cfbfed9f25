import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { withPage } from '../../src/adapter.ts'
import { sign, verify, verifyEvent, type WebhookHeaders, type WebhookMessage } from '../../src/index.ts'
import { toBytes } from '../../src/verify/verify.ts'
import {
  answer,
  atStart,
  base64Mac,
  deliver,
  eventOf,
  otherSecret,
  refusal,
  secret,
  startMs,
  startSeconds,
  testReceiver,
} from '../deliveries.ts'

const signature = `v1,${base64Mac(`msg_1.${startSeconds}.x`)}`
const strangers = `v1,${base64Mac(`msg_1.${startSeconds}.x`, otherSecret)}`

function family(
  name: 'svix' | 'webhook',
  parts: Partial<Record<'id' | 'timestamp' | 'signature', string | undefined>> = {},
): Record<string, string | undefined> {
  const all = { id: 'msg_1', timestamp: String(startSeconds), signature, ...parts }
  return Object.fromEntries(Object.entries(all).map(([part, value]) => [`${name}-${part}`, value]))
}

const verifyX = (headers: WebhookHeaders, secrets: string | readonly string[] = secret) =>
  verify({ headers, body: 'x' }, secrets, atStart)

describe('verify', () => {
  it('returns what was verified', () => {
    const body = Buffer.from('x')
    const verified = verify({ headers: family('svix'), body }, secret, atStart)
    expect(verified).toEqual({ messageId: 'msg_1', sentAt: new Date(startMs), body, secretIndex: 0 })
    expect(verified.body).toBe(body)
  })

  it('does not complete one header family with the signature of the other', () => {
    const headers = { ...family('svix', { signature: undefined }), 'webhook-signature': signature }
    expect(() => verifyX(headers)).toThrow(refusal('missing_header'))
  })

  it.each([
    ['svix-*', { signature }, { signature: strangers, id: 'msg_2' }],
    ['webhook-*', { signature: strangers, id: 'msg_2' }, { signature }],
  ])('returns the id of the family that verified: %s', (_which, svix, webhook) => {
    expect(verifyX({ ...family('svix', svix), ...family('webhook', webhook) }).messageId).toBe('msg_1')
  })

  it.each([
    ['the same id and timestamp', {}],
    ['another id', { id: 'msg_0' }],
    ['another timestamp', { timestamp: String(startSeconds - 1) }],
  ])('accepts a signature that only webhook-* has, next to svix-* with %s', (_given, claimed) => {
    const headers = { ...family('svix', { ...claimed, signature: strangers }), ...family('webhook') }
    expect(verifyX(headers)).toMatchObject({ messageId: 'msg_1', secretIndex: 0 })
  })

  it('does not accept the signature of one family for the id of the other', () => {
    const headers = {
      ...family('svix', { id: 'msg_2' }),
      ...family('webhook', { signature: strangers }),
    }
    expect(() => verifyX(headers)).toThrow(refusal('signature_mismatch'))
  })

  it('refuses a signature with any single bit changed', () => {
    const mac = Buffer.from(signature.slice(3), 'base64')
    for (let bit = 0; bit < 256; bit += 1) {
      const forged = Buffer.from(mac)
      forged.writeUInt8(forged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      const headers = family('svix', { signature: `v1,${forged.toString('base64')}` })
      expect(() => verifyX(headers)).toThrow(refusal('signature_mismatch'))
    }
  })

  it.each([
    ['id', { id: 'msg_2' }],
    ['timestamp', { timestamp: String(startSeconds + 1) }],
  ])('refuses another %s under the same signature', (_part, parts) => {
    expect(() => verifyX(family('svix', parts))).toThrow(refusal('signature_mismatch'))
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 0, -1, 1.5, '300'])(
    'does not let a tolerance of %o switch the check off',
    (toleranceSeconds) => {
      const options = { toleranceSeconds: toleranceSeconds as number, now: () => startMs }
      expect(() => verify({ headers: family('svix'), body: 'x' }, secret, options)).toThrow(
        refusal('configuration_invalid', 'toleranceSeconds'),
      )
    },
  )

  it('uses the configured tolerance and clock', () => {
    const at = (ageSeconds: number) => ({ toleranceSeconds: 10, now: () => startMs + ageSeconds * 1000 })
    expect(verify({ headers: family('svix'), body: 'x' }, secret, at(10)).messageId).toBe('msg_1')
    expect(() => verify({ headers: family('svix'), body: 'x' }, secret, at(11))).toThrow(
      refusal('timestamp_outside_tolerance', 'the tolerance is 10 s'),
    )
  })

  it.each([{ toleranceSeconds: 1_000_000_000_000 }, { now: () => startMs }])(
    'ignores options that a polluted prototype sets: %o',
    (polluted) => {
      Object.assign(Object.prototype, polluted)
      try {
        for (const options of [undefined, {}])
          expect(() => verify({ headers: family('svix'), body: 'x' }, secret, options)).toThrow(
            refusal('timestamp_outside_tolerance'),
          )
      } finally {
        for (const name of Object.keys(polluted)) Reflect.deleteProperty(Object.prototype, name)
      }
    },
  )

  it('uses the real clock by default', () => {
    const { headers } = deliver('x', { sentAtMs: Date.now() })
    expect(verify({ headers, body: 'x' }, secret).messageId).toBe('msg_1')
  })

  it.each([undefined, null, 7, 'message', {}])('refuses the message %o with a code', (message) => {
    expect(() => verify(message as unknown as WebhookMessage, secret, atStart)).toThrow(refusal('missing_header'))
  })

  it.each([undefined, '', [], ['']])('rejects the secret %o before it reads the message', (secrets) => {
    expect(() => verify({ headers: {}, body: 'x' }, secrets, atStart)).toThrow(
      refusal('configuration_invalid', 'No signing secret.'),
    )
  })
})

describe('during a rotation, verify', () => {
  it('returns the position of the secret that matched', () => {
    expect(verifyX(family('svix', { signature: strangers }), [secret, otherSecret]).secretIndex).toBe(1)
  })

  it('accepts a message that is signed with both secrets', () => {
    const headers = family('svix', { signature: `${strangers} ${signature}` })
    expect(verifyX(headers, secret).secretIndex).toBe(0)
    expect(verifyX(headers, otherSecret).secretIndex).toBe(0)
  })
})

describe('views of bytes', () => {
  const text = `${JSON.stringify(eventOf('job.created'))} `.padEnd(256)
  const buffer = new Uint8Array(Buffer.from(text)).buffer

  it.each([
    ['DataView', new DataView(buffer)],
    ['Uint16Array', new Uint16Array(buffer)],
    ['Float64Array', new Float64Array(buffer)],
    ['Uint8ClampedArray', new Uint8ClampedArray(buffer)],
    ['ArrayBuffer', buffer],
    ['Uint8Array of another realm', runInNewContext('Uint8Array.from(bytes)', { bytes: [...Buffer.from(text)] })],
  ])('are verified as the bytes they cover: %s', async (_kind, view) => {
    const { headers } = deliver(text)
    const body = view as Uint8Array
    expect(Buffer.from(verify({ headers, body }, secret, atStart).body).toString()).toBe(text)
    expect(await answer(testReceiver(), { ...deliver(text), body: async () => body })).toMatchObject({ status: 202 })
  })

  it('are read from their own offset', () => {
    const body = Buffer.from(`..${text}....`).subarray(2, -4)
    expect(verify({ headers: deliver(text).headers, body }, secret, atStart).body).toBe(body)
  })
})

describe('verifyEvent', () => {
  it('returns the event of a verified message', () => {
    const text = JSON.stringify(eventOf('artifact.ready'))
    expect(verifyEvent({ headers: deliver(text).headers, body: text }, secret, atStart)).toEqual(
      eventOf('artifact.ready'),
    )
  })

  it('returns an event of an unknown type too', () => {
    const text = JSON.stringify(eventOf('event.of.tomorrow'))
    expect(verifyEvent({ headers: deliver(text).headers, body: text }, secret, atStart)).toMatchObject({
      event_type: 'event.of.tomorrow',
    })
  })

  it('replaces a missing event_id by the signed message id', () => {
    const headers = sign({ id: 'msg_7', timestamp: startSeconds, body: '{"event_type":"job.created"}' }, secret)
    expect(verifyEvent({ headers, body: '{"event_type":"job.created"}' }, secret, atStart).event_id).toBe('msg_7')
  })

  it('parses nothing that is not signed', () => {
    expect(() => verifyEvent({ headers: deliver('x').headers, body: 'y' }, secret, atStart)).toThrow(
      refusal('signature_mismatch'),
    )
    expect(() => verifyEvent({ headers: deliver('x').headers, body: 'x' }, secret, atStart)).toThrow(
      refusal('envelope_invalid'),
    )
  })
})

describe('toBytes', () => {
  it('returns a Uint8Array itself', () => {
    const bytes = Buffer.from('text')
    expect(toBytes(bytes)).toBe(bytes)
  })

  it('covers exactly the bytes of another view, without a copy', () => {
    const memory = new Uint8Array(8)
    const bytes = toBytes(new DataView(memory.buffer, 2, 3))
    memory.set([1, 2, 3, 4, 5, 6, 7, 8])
    expect([...bytes]).toEqual([3, 4, 5])
  })

  it('accepts bytes of another realm, which are not instances of our Uint8Array', () => {
    const bytes: unknown = runInNewContext('Uint8Array.of(1, 2, 3)')
    expect(bytes).not.toBeInstanceOf(Uint8Array)
    expect([...toBytes(bytes)]).toEqual([1, 2, 3])
  })

  it.each<[string, unknown]>([
    ['text', 'text'],
    ['a parsed object', { event_type: 'job.created' }],
    ['a list of numbers', [1, 2]],
    ['an empty object', {}],
    ['an object with the prototype of bytes', Object.create(Uint8Array.prototype)],
    ['a buffer that was transferred to another thread', transferred()],
    ['a view of a buffer that was transferred', transferredView()],
    ['undefined', undefined],
    ['null', null],
  ])('refuses %s and says what to pass', (_given, body) => {
    const text = 'The raw body is no longer available. Pass the bytes as received, before any parser runs.'
    const message = withPage(text, 'raw_body_unavailable')
    expect(() => toBytes(body)).toThrow(expect.objectContaining({ code: 'raw_body_unavailable', message }))
  })

  it.each<[string, unknown]>([
    ['an ArrayBuffer', Uint8Array.of(1, 2, 3).buffer],
    ['a SharedArrayBuffer', shared()],
    ['an ArrayBuffer of another realm', runInNewContext('Uint8Array.of(1, 2, 3).buffer')],
  ])('accepts %s, as request.arrayBuffer() returns it', (_given, buffer) => {
    expect([...toBytes(buffer)]).toEqual([1, 2, 3])
  })
})

describe('a promise', () => {
  it('in place of the body is refused, with "await it"', async () => {
    const { headers } = deliver('x')
    const body = Promise.resolve(Buffer.from('x'))
    for (const promise of [body, runInNewContext('Promise.resolve("x")')]) {
      expect(() => verify({ headers, body: promise }, secret, atStart)).toThrow(
        refusal('raw_body_unavailable', 'The body is a promise: await it.'),
      )
    }
    expect(() => sign({ id: 'msg_1', timestamp: 1, body: body as unknown as Uint8Array }, secret)).toThrow('await it')
  })

  it('in place of the headers is refused, with "await it"', () => {
    const headers = Promise.resolve(new Headers(deliver('x').headers)) as unknown as Headers
    expect(() => verify({ headers, body: 'x' }, secret, atStart)).toThrow(
      refusal('missing_header', 'The headers are a promise: await it.'),
    )
  })
})

function shared(): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(3)
  new Uint8Array(buffer).set([1, 2, 3])
  return buffer
}

function transferred(): ArrayBuffer {
  const buffer = new ArrayBuffer(4)
  structuredClone(buffer, { transfer: [buffer] })
  return buffer
}

function transferredView(): DataView {
  const view = new DataView(new ArrayBuffer(4))
  structuredClone(view.buffer, { transfer: [view.buffer] })
  return view
}

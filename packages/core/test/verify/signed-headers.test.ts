import { describe, expect, it } from 'vitest'
import { withPage } from '../../src/adapter.ts'
import { type CollectedHeaders, headerFamilies } from '../../src/verify/headers.ts'
import { headersOf, readSignedHeaders, type SignedHeaders } from '../../src/verify/signed-headers.ts'
import { base64Mac, refusal, startMs, startSeconds } from '../deliveries.ts'

const digest = base64Mac(`msg_1.${startSeconds}.x`)
const signature = `v1,${digest}`

/** A complete header family, with some of its values replaced. */
function family(
  name: 'svix' | 'webhook',
  parts: Partial<Record<'id' | 'timestamp' | 'signature', unknown>> = {},
): CollectedHeaders {
  const all = { id: 'msg_1', timestamp: String(startSeconds), signature, ...parts }
  return Object.fromEntries(Object.entries(all).map(([part, value]) => [`${name}-${part}`, value]))
}

const read = (headers: CollectedHeaders) => readSignedHeaders(headers, startMs, 300)

describe('readSignedHeaders', () => {
  it.each(['svix', 'webhook'] as const)('reads the family %s-*, and returns its own three headers', (name) => {
    const headers = { ...family(name), 'content-length': '1' }
    const candidates = read(headers)
    expect(candidates).toEqual([
      {
        messageId: 'msg_1',
        timestamp: startSeconds,
        prefix: `msg_1.${startSeconds}.`,
        signatures: [Buffer.from(digest)],
        family: expect.objectContaining({ id: `${name}-id` }),
      },
    ])
    const [{ family: verified }] = candidates as [SignedHeaders]
    expect(headersOf({ ...family('svix'), ...family('webhook'), ...headers }, verified)).toEqual(family(name))
  })

  it('reads both families if both are complete, svix-* first', () => {
    const both = { ...family('webhook', { id: 'msg_2' }), ...family('svix') }
    expect(read(both).map(({ messageId }) => messageId)).toEqual(['msg_1', 'msg_2'])
  })

  it.each<[string, CollectedHeaders, string]>([
    ['nothing at all', {}, 'svix-id'],
    ['no id', family('svix', { id: undefined }), 'svix-id'],
    ['no timestamp', family('svix', { timestamp: undefined }), 'svix-timestamp'],
    ['an empty signature', family('svix', { signature: '' }), 'svix-signature'],
    ['an incomplete webhook family', family('webhook', { signature: undefined }), 'webhook-signature'],
    ['the ids of both families alone', { 'svix-id': 'msg_1', 'webhook-id': 'msg_1' }, 'svix-timestamp'],
    ['half of each family', { 'svix-id': 'msg_1', ...family('webhook', { id: undefined }) }, 'svix-timestamp'],
    [
      'half of each family, the other way around',
      { ...family('svix', { id: undefined }), 'webhook-id': 'msg_1' },
      'webhook-timestamp',
    ],
  ])('names the missing header: %s', (_given, headers, header) => {
    expect(() => read(headers)).toThrow(expect.objectContaining({ code: 'missing_header', header }))
  })

  it('uses the complete family and ignores an incomplete one', () => {
    expect(read({ ...family('webhook'), 'svix-id': 'msg_9' })).toMatchObject([{ messageId: 'msg_1' }])
  })

  it('uses the well-formed family and ignores a malformed one', () => {
    const headers = { ...family('svix', { timestamp: 'x' }), ...family('webhook') }
    expect(read(headers)).toMatchObject([{ family: { id: 'webhook-id' } }])
  })

  it.each<[string, object, string]>([
    ['id', { id: 'a.b' }, 'message_id_invalid'],
    ['timestamp', { timestamp: '1.5' }, 'timestamp_invalid'],
    ['age', { timestamp: String(startSeconds - 301) }, 'timestamp_outside_tolerance'],
    ['signature', { signature: 'v2,x' }, 'no_supported_signature'],
  ])('reports the first family when both are malformed: %s', (_given, parts, code) => {
    const headers = { ...family('svix', parts), ...family('webhook', { signature: 'v9,x' }) }
    expect(() => read(headers)).toThrow(expect.objectContaining({ code }))
  })

  it('reads the names of every family', () => {
    expect(headerFamilies.map(({ id, timestamp, signature: list }) => [id, timestamp, list])).toEqual([
      Object.keys(family('svix')),
      Object.keys(family('webhook')),
    ])
  })
})

describe('the message id', () => {
  it.each([
    ['1 character', 'a'],
    ['256 characters', 'a'.repeat(256)],
    ['every allowed punctuation mark', '!"#$%&\'()*+-/09:;<=>?@AZ[\\]^_`az{|}~'],
  ])('may be %s', (_given, id) => {
    expect(read(family('svix', { id }))).toMatchObject([{ messageId: id }])
  })

  it.each([
    ['257 characters', 'a'.repeat(257)],
    ['a comma', 'a,b'],
    ['a period', 'a.b'],
    ['a space', 'a b'],
    ['a line break at the end', 'a\n'],
    ['DEL', 'a\x7f'],
    ['a letter beyond ASCII', 'é'],
    ['a number', 7],
  ])('must not be or contain %s', (_given, id) => {
    expect(() => read(family('svix', { id }))).toThrow(refusal('message_id_invalid'))
  })
})

describe('the timestamp', () => {
  it.each([
    ['0', 0],
    ['1', 1],
    ['1614265330', 1614265330],
    ['9'.repeat(15), 999_999_999_999_999],
  ])('may be %s', (timestamp, seconds) => {
    expect(readSignedHeaders(family('svix', { timestamp }), seconds * 1000, 300)).toMatchObject([
      { timestamp: seconds },
    ])
  })

  it.each([
    '00',
    '01',
    '-0',
    '+1',
    ' 1',
    '1 ',
    '1\n',
    '1.0',
    '1e3',
    '0x1',
    '1_000',
    '١',
    '1'.repeat(16),
    7,
    null,
    ['1'],
  ])('must not be %o', (timestamp) => {
    expect(() => read(family('svix', { timestamp }))).toThrow(refusal('timestamp_invalid'))
  })

  const readAt = (ageSeconds: number, toleranceSeconds = 300) =>
    readSignedHeaders(family('svix'), startMs + ageSeconds * 1000, toleranceSeconds)

  it.each([-300, -299, 0, 299, 300])('may be %i s old', (ageSeconds) => {
    expect(() => readAt(ageSeconds)).not.toThrow()
  })

  it.each([
    [301, 'It is 301 s old; the tolerance is 300 s.'],
    [-301, 'It is 301 s ahead; the tolerance is 300 s.'],
  ])('must not be %i s old', (ageSeconds, saying) => {
    const refused = { code: 'timestamp_outside_tolerance', ageSeconds, toleranceSeconds: 300 } as const
    const message = `The timestamp is too far from this server's clock. ${saying}`
    expect(() => readAt(ageSeconds)).toThrow(
      expect.objectContaining({ ...refused, message: withPage(message, refused.code) }),
    )
  })

  it('may be as old as the tolerance allows, and no older', () => {
    expect(() => readAt(10, 10)).not.toThrow()
    expect(() => readAt(11, 10)).toThrow(
      expect.objectContaining({ code: 'timestamp_outside_tolerance', ageSeconds: 11, toleranceSeconds: 10 }),
    )
  })

  it('is compared in whole seconds: 300.999 s are still 300', () => {
    expect(() => readAt(300.999)).not.toThrow()
  })

  it('in milliseconds is refused with a hint', () => {
    expect(() => read(family('svix', { timestamp: String(startMs) }))).toThrow(
      refusal('timestamp_outside_tolerance', 'Is it in milliseconds?'),
    )
  })

  it('is refused while the clock returns NaN', () => {
    expect(() => readSignedHeaders(family('svix'), Number.NaN, 300)).toThrow(refusal('timestamp_outside_tolerance'))
  })
})

describe('the signatures', () => {
  const token = (fill: number): string => `v1,${Buffer.alloc(32, fill).toString('base64')}`
  const readTokens = (list: string) =>
    read(family('svix', { signature: list }))[0]?.signatures.map((bytes) => Buffer.from(String(bytes), 'base64')[0])

  it('are all read, up to sixteen tokens of any version', () => {
    const tokens = Array.from({ length: 20 }, (_, index) => token(index))
    expect(readTokens(tokens.join(' '))).toEqual(Array.from({ length: 16 }, (_, index) => index))
    expect(readTokens([...Array(15).fill('v1a,x'), token(1), token(2)].join(' '))).toEqual([1])
  })

  it('may be preceded by any number of spaces', () => {
    expect(readTokens(`${' '.repeat(40)}${token(1)}`)).toEqual([1])
  })

  it.each([
    ['not a string', 7],
    ['an asymmetric one', `v1a,${digest}`],
    ['two unsupported ones', 'v2,x v1a,x'],
    ['without version', digest],
    ['not canonical base64', `v1,${digest.slice(0, 42)}B=`],
  ])('must include a supported one: %s', (_given, list) => {
    const text = 'Only v1 (HMAC-SHA256) signatures are supported, and none was found.'
    const message = withPage(text, 'no_supported_signature')
    expect(() => read(family('svix', { signature: list }))).toThrow(
      expect.objectContaining({ code: 'no_supported_signature', message }),
    )
  })
})

import { describe, expect, it } from 'vitest'
import { type VerifyOptions, verify, verifyEvent, type WebhookErrorCode, type WebhookMessage } from '../../src/index.ts'
import { parseSecret } from '../../src/verify/secret.ts'
import { atStart, base64Mac, deliver, envelope, eventOf, otherSecret, secret, startSeconds } from '../deliveries.ts'

/** Several inputs may demonstrate one row of the matrix. */
interface Row {
  readonly row: number
  readonly title: string
  readonly given: string
  readonly run: () => unknown
  /** What the result must contain. Empty if the input must be refused. */
  readonly expected: object
  readonly refused?: WebhookErrorCode
  readonly saying?: RegExp
}

const T = startSeconds
const id = 'msg_1'
const eventText = JSON.stringify(eventOf('job.created'))
const genuine = base64Mac(`${id}.${T}.${eventText}`)
const stranger = base64Mac(`${id}.${T}.${eventText}`, otherSecret)
const verified = { messageId: id, secretIndex: 0, sentAt: new Date(T * 1000) }
const bareSecret = secret.slice('whsec_'.length)

const rows: Row[] = []

function accepts(row: number, title: string, cases: Record<string, () => unknown>, expected: object = verified): void {
  for (const [given, run] of Object.entries(cases)) rows.push({ row, title, given, run, expected })
}

function refuses(
  row: number,
  title: string,
  cases: Record<string, () => unknown>,
  refusal: { readonly code: WebhookErrorCode; readonly saying?: RegExp },
): void {
  for (const [given, run] of Object.entries(cases)) {
    const { code, ...rest } = refusal
    rows.push({ row, title, given, run, expected: {}, refused: code, ...rest })
  }
}

/** The genuine delivery with some headers replaced. */
function withHeaders(headers: Record<string, unknown>, body: WebhookMessage['body'] = eventText): () => unknown {
  return () => {
    const all = { 'svix-id': id, 'svix-timestamp': String(T), 'svix-signature': `v1,${genuine}`, ...headers }
    return verify({ headers: all as WebhookMessage['headers'], body }, secret, atStart)
  }
}

function withBody(body: unknown): () => unknown {
  return withHeaders({}, body as Uint8Array)
}

/** Signed over the text of the timestamp, as a sender would sign it. */
function signedTimestamp(header: string, signedText = header): () => unknown {
  const mac = base64Mac(`${id}.${signedText}.${eventText}`)
  return withHeaders({ 'svix-timestamp': header, 'svix-signature': `v1,${mac}` })
}

function withSignature(header: unknown): () => unknown {
  return withHeaders({ 'svix-signature': header })
}

function withSecret(given: unknown, options: VerifyOptions = atStart): () => unknown {
  return () => verify(deliveryMessage(), given as string, options)
}

function deliveryMessage(payload: string | Uint8Array | object = eventText): WebhookMessage {
  const { headers } = deliver(payload)
  const body = payload instanceof Uint8Array || typeof payload === 'string' ? payload : JSON.stringify(payload)
  return { headers, body }
}

accepts(
  1,
  'a valid body is returned as the typed event',
  {
    string: () => verifyEvent(deliveryMessage(), secret, atStart),
    Buffer: () => verifyEvent(deliveryMessage(Buffer.from(eventText)), secret, atStart),
  },
  { event_type: 'job.created', event_id: 'event_1', data: { job_id: 'job_1' } },
)
accepts(1, 'a valid body is returned with the metadata of the delivery', {
  string: withBody(eventText),
  Buffer: withBody(Buffer.from(eventText)),
})
accepts(2, 'a Uint8Array is accepted', {
  Uint8Array: withBody(new Uint8Array(Buffer.from(eventText))),
  'a view into a larger buffer': withBody(new Uint8Array(Buffer.from(`....${eventText}..`)).subarray(4, -2)),
})
refuses(
  3,
  'a parsed body is refused with the fix',
  { object: withBody(JSON.parse(eventText)), array: withBody([1]) },
  {
    code: 'raw_body_unavailable',
    saying: /Pass the bytes as received, before any parser runs/,
  },
)
refuses(4, 'a missing body is refused', { null: withBody(null), number: withBody(7) }, { code: 'raw_body_unavailable' })
refuses(
  4,
  'a missing body is refused',
  {
    undefined: () => verify({ headers: deliveryMessage().headers } as WebhookMessage, secret, atStart),
  },
  { code: 'raw_body_unavailable', saying: /Pass the bytes/ },
)
refuses(
  5,
  'an object that calls itself a Buffer is refused',
  {
    'parsed JSON': withBody(JSON.parse('{"constructor":{"name":"Buffer"}}')),
    'the JSON form of a Buffer': withBody(Buffer.from(eventText).toJSON()),
  },
  { code: 'raw_body_unavailable' },
)
accepts(6, 'other forms of headers are accepted', {
  Headers: () => verify({ headers: new Headers(deliver(eventText).headers), body: eventText }, secret, atStart),
  Map: () => verify({ headers: new Map(Object.entries(deliver(eventText).headers)), body: eventText }, secret, atStart),
  'list of pairs': () =>
    verify({ headers: Object.entries(deliver(eventText).headers), body: eventText }, secret, atStart),
})
accepts(7, 'header names match in any case', {
  upper: () =>
    verify(
      { headers: { 'SVIX-ID': id, 'Svix-Timestamp': String(T), 'SVIX-SIGNATURE': `v1,${genuine}` }, body: eventText },
      secret,
      atStart,
    ),
})
refuses(
  8,
  'a name in two spellings is refused where the values differ',
  {
    signature: withHeaders({ 'Svix-Signature': `v1,${stranger}` }),
    id: withHeaders({ 'SVIX-ID': 'msg_2' }),
    timestamp: withHeaders({ 'Svix-Timestamp': String(T + 1) }),
  },
  { code: 'duplicate_header' },
)
accepts(8, 'a name in two spellings is accepted where the values are the same', { id: withHeaders({ 'Svix-Id': id }) })
accepts(9, 'arrays of one element are accepted', {
  'all three': withHeaders({ 'svix-id': [id], 'svix-timestamp': [String(T)], 'svix-signature': [`v1,${genuine}`] }),
  'several signatures': withSignature([`v1,${stranger}`, `v1,${genuine}`]),
})
refuses(
  9,
  'arrays of several elements are refused for id and timestamp',
  {
    'two ids': withHeaders({ 'svix-id': [id, 'msg_2'] }),
    'the same id twice': withHeaders({ 'svix-id': [id, id] }),
    'two timestamps': withHeaders({ 'svix-timestamp': [String(T), String(T - 9999)] }),
  },
  { code: 'duplicate_header' },
)
accepts(10, 'id or timestamp alone as an array of one is accepted', {
  id: withHeaders({ 'svix-id': [id] }),
  timestamp: withHeaders({ 'svix-timestamp': [String(T)] }),
})
refuses(
  11,
  'a timestamp that is not a string is refused',
  { number: withHeaders({ 'svix-timestamp': T }) },
  { code: 'timestamp_invalid' },
)
refuses(
  12,
  'an id that Node joined from two headers is refused',
  { 'm1, m2': withHeaders({ 'svix-id': 'm1, m2' }) },
  { code: 'message_id_invalid' },
)
refuses(
  12,
  'a timestamp that Node joined from two headers is refused',
  { '1, 2': signedTimestamp('1, 2') },
  { code: 'timestamp_invalid' },
)
accepts(12, 'both signatures that Node joined from two headers are considered', {
  'v1,a, v1,b': withSignature(`v1,${stranger}, v1,${genuine}`),
})
accepts(13, 'exactly 300 s are within the tolerance', {
  past: () => verify(deliveryMessage(), secret, { now: () => (T + 300) * 1000 }),
  future: () => verify(deliveryMessage(), secret, { now: () => (T - 300) * 1000 }),
})
refuses(
  13,
  '301 s are outside the tolerance',
  {
    past: () => verify(deliveryMessage(), secret, { now: () => (T + 301) * 1000 }),
    future: () => verify(deliveryMessage(), secret, { now: () => (T - 301) * 1000 }),
  },
  { code: 'timestamp_outside_tolerance' },
)
refuses(
  14,
  'text after the digits is refused',
  { abc: signedTimestamp(`${T}abc`, `${T}`) },
  { code: 'timestamp_invalid' },
)
refuses(15, 'a fraction is refused', { '.999': signedTimestamp(`${T}.999`, `${T}`) }, { code: 'timestamp_invalid' })
refuses(16, 'a sign is refused', { '+': signedTimestamp(`+${T}`, `${T}`) }, { code: 'timestamp_invalid' })
refuses(
  17,
  'leading spaces and zeros are refused',
  {
    spaces: signedTimestamp(`  ${T}`, `${T}`),
    zeros: signedTimestamp(`000${T}`, `${T}`),
  },
  { code: 'timestamp_invalid' },
)
refuses(
  18,
  'two timestamps in one header are refused',
  { 'T, T-9999': signedTimestamp(`${T}, ${T - 9999}`, `${T}`) },
  { code: 'timestamp_invalid' },
)
refuses(
  19,
  'other ways to write a number are refused',
  {
    hexadecimal: signedTimestamp(`0x${T.toString(16)}`),
    exponent: signedTimestamp('1e9'),
    negative: signedTimestamp('-1'),
  },
  { code: 'timestamp_invalid' },
)
refuses(
  20,
  'anything but a number is refused',
  { Infinity: signedTimestamp('Infinity'), hello: signedTimestamp('hello') },
  { code: 'timestamp_invalid' },
)
refuses(
  21,
  'milliseconds are refused with a hint',
  { milliseconds: signedTimestamp(`${T}000`) },
  {
    code: 'timestamp_outside_tolerance',
    saying: /Is it in milliseconds\?/,
  },
)
refuses(
  21,
  'more digits than a number can hold are refused',
  { '30 digits': signedTimestamp('1'.repeat(30)) },
  { code: 'timestamp_invalid' },
)
refuses(
  22,
  'a header without a supported signature has a separate code',
  {
    'v2,': withSignature(`v2,${genuine}`),
    'no version': withSignature(genuine),
    'v1=': withSignature(`v1=${genuine}`),
    'V1,': withSignature(`V1,${genuine}`),
  },
  { code: 'no_supported_signature' },
)
refuses(
  22,
  'an asymmetric signature alone is not supported',
  { 'v1a,': withSignature(`v1a,${genuine}`) },
  {
    code: 'no_supported_signature',
    saying: /Only v1 \(HMAC-SHA256\) signatures are supported/,
  },
)
refuses(
  23,
  'v1 without a comma counts as no signature',
  { v1: withSignature('v1') },
  { code: 'no_supported_signature' },
)
accepts(23, 'v1 without a comma is skipped', { 'before a genuine one': withSignature(`v1 v1,${genuine}`) })
refuses(
  24,
  'a signature with junk after it is skipped',
  { ',junk': withSignature(`v1,${genuine},junk`) },
  { code: 'no_supported_signature' },
)
accepts(25, 'double and trailing spaces are accepted', { spaces: withSignature(`v1,${stranger}  v1,${genuine}  `) })
refuses(
  26,
  'a TAB is not a separator',
  { TAB: withSignature(`v1,${stranger}\tv1,${genuine}`) },
  { code: 'no_supported_signature' },
)
accepts(27, 'the comma that joins two headers is not part of a signature', {
  'genuine one last': withSignature(`v1,x, v1,${genuine}`),
  'genuine one first': withSignature(`v1,${genuine}, v1,x`),
})
refuses(
  28,
  'only canonical base64 is a signature',
  {
    unpadded: withSignature(`v1,${genuine.replace('=', '')}`),
    base64url: withSignature(`v1,${genuine.slice(0, 40)}-_${genuine.slice(42)}`),
    'stray low bits': withSignature(`v1,${genuine.slice(0, 42)}B=`),
  },
  { code: 'no_supported_signature' },
)
refuses(
  28,
  'only 32 bytes are a signature',
  {
    'its first 29 bytes': withSignature(`v1,${Buffer.from(genuine, 'base64').toString('base64', 0, 29)}`),
    'three bytes more': withSignature(
      `v1,${Buffer.concat([Buffer.from(genuine, 'base64'), Buffer.alloc(3)]).toString('base64')}`,
    ),
    'all but its end': withSignature(`v1,${genuine.slice(39)}`),
  },
  { code: 'no_supported_signature' },
)
refuses(
  29,
  'a signature beyond ASCII is skipped',
  { é: withSignature(`v1,${'é'.repeat(43)}=`), Ā: withSignature(`v1,${'Ā'.repeat(43)}=`) },
  { code: 'no_supported_signature' },
)
accepts(29, 'a signature beyond ASCII is skipped', { 'before a genuine one': withSignature(`v1,é v1,${genuine}`) })
accepts(30, 'sixteen signatures are considered', {
  'genuine one 16th': withSignature(`${`v1,${stranger} `.repeat(15)}v1,${genuine}`),
})
refuses(
  30,
  'a seventeenth signature is not considered',
  {
    'genuine one 17th': withSignature(`${`v1,${stranger} `.repeat(16)}v1,${genuine}`),
    'genuine one 350th': withSignature(`${`v1,${stranger} `.repeat(349)}v1,${genuine}`),
  },
  { code: 'signature_mismatch' },
)
refuses(
  31,
  'an empty id is a missing header',
  { empty: withHeaders({ 'svix-id': '' }) },
  { code: 'missing_header', saying: /svix-id/ },
)
refuses(
  32,
  'an id with a period is refused',
  {
    'm.1': withHeaders({ 'svix-id': 'm.1', 'svix-signature': `v1,${base64Mac(`m.1.${T}.${eventText}`)}` }),
  },
  { code: 'message_id_invalid' },
)
refuses(
  33,
  'a signature cannot be moved to another id and body',
  {
    'id m.T': () => {
      const mac = base64Mac(`m.${T}.${T}.{"x":1}`)
      const headers = { 'svix-id': `m.${T}`, 'svix-timestamp': String(T), 'svix-signature': `v1,${mac}` }
      return verify({ headers, body: '{"x":1}' }, secret, atStart)
    },
  },
  { code: 'message_id_invalid' },
)
refuses(
  34,
  'an id beyond visible ASCII is refused',
  {
    é: withHeaders({ 'svix-id': 'é' }),
    space: withHeaders({ 'svix-id': 'msg 1' }),
    'control character': withHeaders({ 'svix-id': 'msg\u0007' }),
  },
  { code: 'message_id_invalid' },
)
accepts(35, 'an empty body is verified', { empty: () => verify(deliveryMessage(''), secret, atStart) })
refuses(
  35,
  'an empty body is not an event',
  { empty: () => verifyEvent(deliveryMessage(''), secret, atStart) },
  { code: 'envelope_invalid' },
)
accepts(36, 'a byte order mark is verified', {
  bytes: () => verify(deliveryMessage(`\uFEFF${eventText}`), secret, atStart),
})
accepts(
  36,
  'a byte order mark is not part of the JSON',
  {
    event: () => verifyEvent(deliveryMessage(`\uFEFF${eventText}`), secret, atStart),
  },
  { event_type: 'job.created' },
)
accepts(37, 'bytes that are not UTF-8 are verified', {
  bytes: () => verify(deliveryMessage(Buffer.from([0x22, 0xff, 0xfe, 0x22])), secret, atStart),
})
refuses(
  37,
  'bytes that are not UTF-8 are not an event',
  {
    bytes: () => verifyEvent(deliveryMessage(Buffer.from([0x22, 0xff, 0xfe, 0x22])), secret, atStart),
  },
  { code: 'envelope_invalid', saying: /not UTF-8/ },
)
refuses(
  38,
  'the replacement character does not match other bytes',
  {
    '0xFF': () =>
      verify({ headers: deliver('"\uFFFD"').headers, body: Buffer.from([0x22, 0xff, 0x22]) }, secret, atStart),
  },
  { code: 'signature_mismatch' },
)
accepts(39, 'a body that is not JSON is verified', { text: () => verify(deliveryMessage('hello'), secret, atStart) })
refuses(
  39,
  'a body that is not JSON is not an event',
  { text: () => verifyEvent(deliveryMessage('hello'), secret, atStart) },
  {
    code: 'envelope_invalid',
    saying: /It is not JSON/,
  },
)
accepts(
  40,
  'a __proto__ is dropped from the event',
  {
    ...Object.fromEntries(
      ['__proto__', '\\u005f_proto__', '__prot\\u006F__'].map((name) => [
        name,
        () => {
          const body = `${eventText.slice(0, -1)},"${name}":{"polluted":true}}`
          const copy: object & { readonly polluted?: boolean } = Object.assign(
            {},
            verifyEvent(deliveryMessage(body), secret, atStart),
          )
          return { polluted: copy.polluted, copy }
        },
      ]),
    ),
  },
  { polluted: undefined, copy: { event_type: 'job.created', ...envelope } },
)
refuses(
  41,
  'an unset secret is refused with the name of the variable',
  {
    empty: withSecret(''),
    undefined: withSecret(undefined),
    null: withSecret(null),
  },
  { code: 'configuration_invalid', saying: /No signing secret.*SCRAPENEST_WEBHOOK_SECRET set\?/ },
)
refuses(
  42,
  'the prefix alone is an empty key and refused',
  { whsec_: withSecret('whsec_') },
  {
    code: 'configuration_invalid',
    saying: /is shorter than 16 bytes/,
  },
)
refuses(
  43,
  'an empty key as bytes is refused',
  {
    'Uint8Array(0)': () => parseSecret(new Uint8Array(0) as unknown as string),
  },
  { code: 'configuration_invalid', saying: /Expected the signing secret to be a string/ },
)
refuses(
  44,
  'one character too many is refused',
  {
    'line break': withSecret(`${secret}\n`),
    X: withSecret(`${secret}X`),
    '!': withSecret(`${secret}!`),
  },
  { code: 'configuration_invalid' },
)
for (const [given, text, saying] of [
  ['CRLF', `${secret}\r\n`, /contains whitespace/],
  ['leading space', ` ${secret}`, /contains whitespace/],
  ['double quotes', `"${secret}"`, /in quotes/],
  ['single quotes', `'${secret}'`, /in quotes/],
  ['inner space', `${secret.slice(0, 20)} ${secret.slice(20)}`, /contains whitespace/],
  ['base64url', `whsec_${'-_'.repeat(16)}`, /is not base64 \("-" and "_" are not allowed\)/],
  ['doubled prefix', `whsec_${secret}`, /has something before whsec_/],
  ['v1,whsec_', `v1,${secret}`, /has something before whsec_/],
  ['whpk_', `whpk_${bareSecret}`, /is an asymmetric key/],
  ['whsk_', `whsk_${bareSecret}`, /is an asymmetric key/],
] as const) {
  refuses(
    45,
    'a damaged secret is refused with the exact hint',
    { [given]: withSecret(text) },
    { code: 'configuration_invalid', saying },
  )
}
accepts(46, 'an unpadded secret is accepted', {
  unpadded: withSecret(secret.replace(/=+$/, '')),
  'without prefix': withSecret(bareSecret),
})
refuses(
  47,
  'a key below 16 bytes is refused',
  {
    '1 byte': withSecret('AA=='),
    '15 bytes': withSecret(Buffer.alloc(15, 'k').toString('base64')),
  },
  { code: 'configuration_invalid', saying: /is shorter than 16 bytes/ },
)
accepts(
  47,
  'a key of 16 bytes is accepted',
  { '16 bytes': () => parseSecret(Buffer.alloc(16, 'k').toString('base64')) },
  { isShort: true },
)
accepts(
  48,
  'a list of secrets is accepted',
  { 'second matches': withSecret([otherSecret, secret]) },
  { messageId: id, secretIndex: 1 },
)
refuses(
  49,
  'a secret with characters beyond ASCII is refused',
  {
    'code point above 255': withSecret(`whsec_${'Ł'.repeat(44)}`),
    'Latin-1': withSecret(`whsec_${'é'.repeat(44)}`),
  },
  { code: 'configuration_invalid', saying: /is not base64/ },
)
refuses(
  50,
  'two header families are not mixed',
  {
    'svix-id and webhook-*': () => {
      const headers = { 'svix-id': id, 'webhook-timestamp': String(T), 'webhook-signature': `v1,${genuine}` }
      return verify({ headers, body: eventText }, secret, atStart)
    },
  },
  { code: 'missing_header', saying: /Header: svix-timestamp/ },
)
accepts(51, 'each complete family is tried', {
  'svix bad, webhook good': withHeaders({
    'svix-signature': `v1,${stranger}`,
    'webhook-id': id,
    'webhook-timestamp': String(T),
    'webhook-signature': `v1,${genuine}`,
  }),
  'svix malformed, webhook good': withHeaders({
    'svix-signature': 'nonsense',
    'webhook-id': id,
    'webhook-timestamp': String(T),
    'webhook-signature': `v1,${genuine}`,
  }),
})

describe('the behavior matrix', () => {
  it('has every row', () => {
    expect([...new Set(rows.map(({ row }) => row))].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 51 }, (_, index) => index + 1),
    )
  })

  it.each(rows.filter(({ refused }) => refused === undefined))('#$row: $title ($given)', ({ run, expected }) => {
    expect(run()).toMatchObject(expected)
  })

  it.each(rows.filter(({ refused }) => refused !== undefined))(
    '#$row: $title ($given)',
    ({ run, refused, saying = /./ }) => {
      expect(run).toThrow(expect.objectContaining({ code: refused, message: expect.stringMatching(saying) }))
    },
  )
})

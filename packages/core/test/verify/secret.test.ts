import { createHmac, createSecretKey } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createReceiver, generateSecret, verify } from '../../src/index.ts'
import { hmac, isUnsetSecret, parseSecret, parseSecrets } from '../../src/verify/secret.ts'
import {
  atStart,
  base64Mac,
  otherSecret,
  recordingLogger,
  refusal,
  secret,
  startSeconds,
  thrownBy,
} from '../deliveries.ts'

/** Long and unlike any word of a message, so that a leak of any part is noticed. */
const marked = Buffer.from('Zq9'.repeat(11)).toString('base64')

const damages: readonly { readonly given: string; readonly text: string; readonly saying: string }[] = [
  {
    given: 'a line break at the end',
    text: `whsec_${marked}\n`,
    saying: 'A secret that is read from a file often ends with a line break: trim it.',
  },
  {
    given: 'a space at the beginning',
    text: ` whsec_${marked}`,
    saying: 'contains whitespace at the start or the end. Remove it.',
  },
  { given: 'double quotes', text: `"whsec_${marked}"`, saying: 'is in quotes. Remove them.' },
  { given: 'single quotes', text: `'whsec_${marked}'`, saying: 'is in quotes' },
  { given: 'backticks', text: `\`whsec_${marked}\``, saying: 'is in quotes' },
  { given: 'the version of a signature', text: `v1,whsec_${marked}`, saying: 'has something before whsec_' },
  {
    given: 'the version of an asymmetric signature',
    text: `v1a,whsec_${marked}`,
    saying: 'has something before whsec_',
  },
  { given: 'an asymmetric private key', text: `whsk_${marked}`, saying: 'is an asymmetric key' },
  { given: 'an asymmetric public key', text: `whpk_${marked}`, saying: 'is an asymmetric key' },
  { given: 'the prefix twice', text: `whsec_whsec_${marked}`, saying: 'has something before whsec_' },
  { given: 'the prefix in the middle', text: `AAAAwhsec_whsec_${marked}`, saying: 'has something before whsec_' },
  { given: 'the prefix at the end', text: `${marked}whsec_`, saying: 'has something before whsec_' },
  {
    given: 'the list of a rotation',
    text: `whsec_${marked},whsec_${marked}`,
    saying: "is a comma-separated list. Pass its entries, as in secret: list.split(',').",
  },
  { given: 'a comma at the end', text: `whsec_${marked},`, saying: 'is a comma-separated list' },
  { given: 'a quote inside', text: `AAAA"${marked}`, saying: 'is not base64' },
  { given: 'the version of a signature inside', text: `AAAAv1,${marked}`, saying: 'is not base64' },
  { given: 'the prefix of a private key inside', text: `AAAAwhsk_${marked}`, saying: 'is not base64' },
  { given: 'the prefix of a public key inside', text: `AAAAwhpk_${marked}`, saying: 'is not base64' },
  { given: 'a first character that is not base64', text: `!${marked}`, saying: 'is not base64' },
  { given: 'the prefix alone', text: 'whsec_', saying: 'is shorter than 16 bytes' },
  {
    given: 'a space inside',
    text: `whsec_${marked.slice(0, 9)} ${marked.slice(9)}`,
    saying: 'contains whitespace. Copy it again.',
  },
  {
    given: 'base64url',
    text: `whsec_${marked.slice(0, 8)}-_${marked.slice(10)}`,
    saying: 'is not base64 ("-" and "_" are not allowed)',
  },
  { given: 'a character that is not base64', text: `whsec_${marked}!`, saying: 'is not base64' },
  { given: 'one character too many', text: `whsec_${marked}X`, saying: 'is not base64' },
  { given: 'too much padding', text: `whsec_${marked}=`, saying: 'is not base64' },
  {
    given: 'a prefix in capitals',
    text: `WHSEC_${marked}`,
    saying: 'is not base64 ("-" and "_" are not allowed)',
  },
  {
    given: 'too few bytes',
    text: `whsec_${marked.slice(0, 20)}`,
    saying: 'is shorter than 16 bytes',
  },
  { given: 'a live API key', text: `sn_live_${marked}`, saying: 'is an API key' },
  { given: 'a test API key', text: `sn_test_${marked}`, saying: 'is an API key' },
  ...[
    'whsec_...',
    'whsec_…',
    'whsec_<secret>',
    '<your secret>',
    'whsec_xxxx',
    'xxxxxxxx',
    'your_secret',
    'change_me',
  ].map((text) => ({ given: `the placeholder ${text}`, text, saying: 'is a placeholder' })),
  {
    given: 'base64 of a whole secret, as in a Kubernetes manifest',
    text: Buffer.from(`whsec_${marked}`).toString('base64'),
    saying: 'is the base64 encoding of a whole whsec_… secret',
  },
  {
    given: 'base64 of a whole secret and a line break, as echo writes it',
    text: Buffer.from(`whsec_${marked}\n`).toString('base64'),
    saying: 'is the base64 encoding of a whole whsec_… secret',
  },
  {
    given: 'the prefix before base64 of a whole secret',
    text: `whsec_${Buffer.from(`whsec_${marked}`).toString('base64')}`,
    saying: 'is the base64 encoding of a whole whsec_… secret',
  },
  { given: 'percent-encoding', text: `whsec_${marked.slice(0, 30)}%2F%3D`, saying: 'is percent-encoded' },
  { given: 'a zero-width space', text: `whsec_${marked}\u200b`, saying: 'contains an invisible character' },
  { given: 'a soft hyphen', text: `whsec_\u00ad${marked}`, saying: 'contains an invisible character' },
  { given: 'a literal \\n', text: `whsec_${marked}\\n`, saying: 'a backslash and a letter (\\n)' },
]

describe('hmac', () => {
  const bytes = (length: number, seed: number): Buffer =>
    Buffer.from(Array.from({ length }, (_, index) => (index * 31 + seed) % 256))

  it.each([16, 24, 32, 63, 64, 65, 200])('is HMAC-SHA256 over prefix and body, with a key of %i bytes', (length) => {
    const raw = bytes(length, length)
    const key = createSecretKey(raw)
    for (const bodyLength of [0, 1, 55, 64, 400, 16_384, 100_000]) {
      const body = bytes(bodyLength, bodyLength)
      for (const prefix of ['', 'msg_1.1614265330.', `${'a'.repeat(20_000)}.1.`]) {
        const expected = createHmac('sha256', raw)
          .update(Buffer.concat([Buffer.from(prefix), body]))
          .digest('base64')
        expect(hmac(key, prefix, body).toString()).toBe(expected)
      }
    }
  })

  it('depends on the key', () => {
    const [one, other] = [createSecretKey(bytes(24, 1)), createSecretKey(bytes(24, 2))]
    expect(hmac(one, '', Buffer.from('x'))).not.toEqual(hmac(other, '', Buffer.from('x')))
  })
})

describe('parseSecret', () => {
  it.each(damages)('rejects $given, says what to do, and shows no part of it', ({ text, saying }) => {
    const error = thrownBy(() => parseSecret(text))
    expect(error).toEqual(refusal('configuration_invalid', saying))
    for (const shown of [inspect(error), JSON.stringify(error), String(error), error.stack ?? '']) {
      for (let at = 0; at + 6 <= marked.length; at += 1) expect(shown).not.toContain(marked.slice(at, at + 6))
    }
  })

  it.each([undefined, null, ''])('rejects %o and asks whether the variable is set', (nothing) => {
    expect(() => parseSecret(nothing as string)).toThrow(
      refusal('configuration_invalid', 'Is process.env.SCRAPENEST_WEBHOOK_SECRET set?'),
    )
  })

  it.each([7, {}, true, Buffer.alloc(32)])('rejects %o, which is not a string', (value) => {
    expect(() => parseSecret(value as unknown as string)).toThrow(
      refusal('configuration_invalid', `Expected the signing secret to be a string, got ${typeof value}.`),
    )
  })

  it.each([
    ['with the prefix', secret],
    ['without the prefix', secret.slice('whsec_'.length)],
    ['without padding', secret.replace(/=+$/, '')],
  ])('decodes a secret %s to the same key', (_form, text) => {
    const [decoded] = parseSecret(text).keys
    expect(hmac(decoded, 'a.', Buffer.from('b')).toString()).toBe(base64Mac('a.b'))
  })

  it('has a second key, made from the text itself', () => {
    const [, text] = parseSecret(secret).keys
    const expected = createHmac('sha256', secret).update('a.b').digest('base64')
    expect(hmac(text, 'a.', Buffer.from('b')).toString()).toBe(expected)
  })

  it('returns keys that are never shown, however they are printed', () => {
    const parsed = parseSecret(`whsec_${marked}`)
    const shown = [
      inspect(parsed, { showHidden: true, depth: 9 }),
      JSON.stringify(parsed),
      String(parsed),
      JSON.stringify({ ...parsed }),
    ]
    for (const text of shown) expect(text).not.toMatch(/Zq9|WnE5|5a7139/)
  })

  it('keeps a parsed secret, but not those of an unlimited number of tenants', () => {
    const first = parseSecret(secret)
    expect(parseSecret(secret)).toBe(first)
    for (let tenant = 0; tenant < 300; tenant += 1) parseSecret(Buffer.alloc(24, `tenant ${tenant}`).toString('base64'))
    expect(parseSecret(secret)).not.toBe(first)
    expect(hmac(parseSecret(secret).keys[0], '', Buffer.from('x')).toString()).toBe(base64Mac('x'))
  })
})

it('rejects an endless sparse list immediately', () => {
  const list = Array(4_000_000_000) as string[]
  expect(() => parseSecrets(list)).toThrow(refusal('configuration_invalid', 'the number of secrets'))
})

describe('the two keys of a secret', () => {
  // scrapenest-sdk 1.2.0 (webhooks.py) uses the text of the secret as the key; ScrapeNest's guide decodes it.
  const body = Buffer.from('{"event_type":"job.created"}')

  function signedWith(key: Buffer | string): { readonly headers: Record<string, string>; readonly body: Buffer } {
    const mac = createHmac('sha256', key).update(`msg_1.${startSeconds}.`).update(body).digest('base64')
    const headers = { 'svix-id': 'msg_1', 'svix-timestamp': String(startSeconds), 'svix-signature': `v1,${mac}` }
    return { headers, body }
  }

  it('are both accepted, in any order and repeatedly', () => {
    const [decoded, text] = [signedWith(Buffer.from(secret.slice(6), 'base64')), signedWith(secret)]
    for (const message of [text, decoded, decoded, text, text]) {
      expect(verify(message, [otherSecret, secret], atStart).secretIndex).toBe(1)
    }
  })

  it.each([
    ['the base64 without its prefix, as text', secret.slice(6)],
    ['the text of another secret', otherSecret],
    ['an empty key', ''],
  ])('do not include %s', (_what, key) => {
    expect(() => verify(signedWith(key), secret, atStart)).toThrow(refusal('signature_mismatch'))
  })
})

describe('parseSecrets', () => {
  it('keeps the order of a list', () => {
    const [first, second, ...others] = parseSecrets([otherSecret, secret])
    expect(first).toBe(parseSecret(otherSecret))
    expect(second).toBe(parseSecret(secret))
    expect(others).toEqual([])
  })

  it('accepts eight secrets and rejects nine', () => {
    expect(parseSecrets(Array(8).fill(secret))).toHaveLength(8)
    expect(() => parseSecrets(Array(9).fill(secret))).toThrow(
      refusal('configuration_invalid', 'Expected the number of secrets to be a whole number from 1 to 8, got 9.'),
    )
  })

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['an empty string', ''],
    ['an empty list', []],
    ['a list of nothing', [undefined, '']],
  ])('rejects %s as no signing secret', (_given, secrets) => {
    expect(() => parseSecrets(secrets as string[])).toThrow(refusal('configuration_invalid', 'No signing secret.'))
  })

  it.each<[string, unknown, string]>([
    ['undefined', [secret, undefined], 'No signing secret in entry 2 of 2.'],
    ['a hole', Object.assign(Array(2), { 0: secret }), 'No signing secret in entry 2 of 2.'],
    ['an empty string', ['', secret], 'No signing secret in entry 1 of 2.'],
    [
      'an empty string after a comma',
      `${secret},`.split(','),
      'No signing secret in entry 2 of 2. Is there an extra comma',
    ],
    [
      'a malformed secret',
      [secret, otherSecret, 'whsec_x y'],
      'The signing secret in entry 3 of 3 contains whitespace.',
    ],
    ['a number', [secret, 7], 'Expected the signing secret in entry 2 of 2 to be a string'],
  ])('names the entry of a list that holds %s', (_given, secrets, saying) => {
    expect(() => parseSecrets(secrets as string[])).toThrow(refusal('configuration_invalid', saying))
  })
})

describe('isUnsetSecret', () => {
  it.each([undefined, null, '', [], [''], [undefined, null]])('recognizes %o', (secrets) => {
    expect(isUnsetSecret(secrets)).toBe(true)
  })

  it.each([secret, 'x', 0, false, {}, [secret, '']])('does not mistake %o for it', (secrets) => {
    expect(isUnsetSecret(secrets)).toBe(false)
  })
})

describe('generateSecret', () => {
  it('returns a new secret of 32 bytes each time, which a receiver accepts without a warning', () => {
    const generated = generateSecret()
    expect(Buffer.from(generated.slice('whsec_'.length), 'base64')).toHaveLength(32)
    expect(generateSecret()).not.toBe(generated)
    const logger = recordingLogger()
    createReceiver({ secret: generated, logger })
    expect(logger.lines).toEqual([])
  })
})

describe("a receiver's secret", () => {
  it.each(damages)('is rejected at creation: $given', ({ text }) => {
    expect(() => createReceiver({ secret: text })).toThrow(refusal('configuration_invalid'))
    expect(() => createReceiver({ secret: [secret, text] })).toThrow(refusal('configuration_invalid'))
  })

  it.each<[string, string | string[] | undefined]>([
    ['undefined', undefined],
    ['an empty string', ''],
    ['an empty list', []],
    ['a list of an empty string', ['']],
  ])('is rejected at creation when the variable is not set: %s', (_given, unset) => {
    expect(() => createReceiver({ secret: unset })).toThrow(
      refusal('configuration_invalid', 'process.env.SCRAPENEST_WEBHOOK_SECRET'),
    )
  })

  it('is accepted between 16 and 23 bytes, with a warning', () => {
    const logger = recordingLogger()
    createReceiver({ secret: Buffer.alloc(23, 'k').toString('base64'), logger })
    expect(logger.lines).toEqual([
      { level: 'warn', fields: {}, message: expect.stringContaining('shorter than 24 bytes') },
    ])
  })

  it('is accepted from 24 bytes without a warning', () => {
    const logger = recordingLogger()
    createReceiver({ secret: Buffer.alloc(24, 'k').toString('base64'), logger })
    expect(logger.lines).toEqual([])
  })

  it.each([
    ['the example of Standard Webhooks', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    ['the example of Svix', 'C2FVsBQIhrscChlQIMV+b5sSYspob7oD'],
    ['zeros', `whsec_${Buffer.alloc(32).toString('base64')}`],
    ['x repeated', `whsec_${'x'.repeat(32)}`],
    ['changeme repeated', `whsec_${'changeme'.repeat(4)}`],
  ])('is accepted with a warning if anyone knows it: %s', (_which, known) => {
    for (const option of [known, [secret, known]]) {
      const logger = recordingLogger()
      createReceiver({ secret: option, logger })
      expect(logger.lines).toEqual([
        { level: 'warn', fields: {}, message: expect.stringContaining('anyone can sign with it') },
      ])
      expect(logger.lines[0]?.message).not.toContain(known.slice(6, 14))
    }
  })

  it('does not show on the receiver', () => {
    const receiver = createReceiver({ secret: `whsec_${marked}` })
    expect(inspect(receiver, { showHidden: true, depth: 9 })).not.toContain(marked.slice(0, 8))
    expect(JSON.stringify(receiver)).toBe('{}')
  })
})

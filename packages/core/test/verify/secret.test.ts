import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createReceiver, sign, verify, type WebhookErrorCode } from '../../src/index.ts'
import { parseSecret, parseSecrets } from '../../src/verify/secret.ts'
import { atStart, base64Mac, deliver, otherSecret, recordingLogger, secret } from '../deliveries.ts'

/** Long and unlike any word of a message, so that any part of it would be noticed. */
const marked = Buffer.from('Zq9'.repeat(11)).toString('base64')

const misreadings: readonly { readonly given: string; readonly text: string; readonly saying: string }[] = [
  {
    given: 'a line break at the end',
    text: `whsec_${marked}\n`,
    saying: 'contains white space',
  },
  {
    given: 'a space at the beginning',
    text: ` whsec_${marked}`,
    saying: 'contains white space',
  },
  { given: 'double quotes', text: `"whsec_${marked}"`, saying: 'is in quotes' },
  { given: 'single quotes', text: `'whsec_${marked}'`, saying: 'is in quotes' },
  { given: 'backquotes', text: `\`whsec_${marked}\``, saying: 'is in quotes' },
  { given: 'the version of a signature', text: `v1,whsec_${marked}`, saying: 'has something before whsec_' },
  {
    given: 'the version of an asymmetric signature',
    text: `v1a,whsec_${marked}`,
    saying: 'has something before whsec_',
  },
  { given: 'an asymmetric private key', text: `whsk_${marked}`, saying: 'is an asymmetric key' },
  { given: 'an asymmetric public key', text: `whpk_${marked}`, saying: 'is an asymmetric key' },
  { given: 'the prefix twice', text: `whsec_whsec_${marked}`, saying: 'has something before whsec_' },
  { given: 'the prefix alone', text: 'whsec_', saying: 'is shorter than 16 bytes' },
  {
    given: 'a space inside',
    text: `whsec_${marked.slice(0, 9)} ${marked.slice(9)}`,
    saying: 'contains white space',
  },
  {
    given: 'base64url',
    text: `whsec_${marked.slice(0, 8)}-_${marked.slice(10)}`,
    saying: 'is not base64, which has no "-" and no "_"',
  },
  { given: 'a character that is not base64', text: `whsec_${marked}!`, saying: 'is not base64' },
  { given: 'one character too many', text: `whsec_${marked}X`, saying: 'is not base64' },
  { given: 'too much padding', text: `whsec_${marked}=`, saying: 'is not base64' },
  {
    given: 'a prefix in capitals',
    text: `WHSEC_${marked}`,
    saying: 'is not base64, which has no "-" and no "_"',
  },
  {
    given: 'too few bytes',
    text: `whsec_${marked.slice(0, 20)}`,
    saying: 'is shorter than 16 bytes',
  },
]

describe('parseSecret', () => {
  it.each(misreadings)('refuses $given with what to do, and shows no part of it', ({ text, saying }) => {
    const error = thrownBy(() => parseSecret(text))
    expect(error).toMatchObject({ code: 'configuration_invalid', message: expect.stringContaining(saying) })
    for (const shown of [inspect(error), JSON.stringify(error), String(error), error.stack ?? '']) {
      for (let at = 0; at + 6 <= marked.length; at += 1) expect(shown).not.toContain(marked.slice(at, at + 6))
    }
  })

  it.each([undefined, null, ''])('refuses %o and asks whether the variable is set', (nothing) => {
    expect(thrownBy(() => parseSecret(nothing as string))).toMatchObject({
      code: 'configuration_invalid',
      message: expect.stringContaining('Is process.env.SCRAPENEST_WEBHOOK_SECRET set?'),
    })
  })

  it.each([7, {}, true, Buffer.alloc(32)])('refuses %o, which is no text', (value) => {
    expect(thrownBy(() => parseSecret(value as unknown as string))).toMatchObject({
      code: 'configuration_invalid',
      message: `Expected the signing secret to be a string, got ${typeof value}.`,
    })
  })

  it.each([
    ['the prefix', secret],
    ['no prefix', secret.slice('whsec_'.length)],
    ['no padding', secret.replace(/=+$/, '')],
  ])('accepts a secret with %s as the same key', (_form, text) => {
    expect(parseSecret(text).decoded.mac('a.', Buffer.from('b'))).toBe(base64Mac('a.b'))
  })

  it('gives a key that no way of printing shows', () => {
    const key = parseSecret(`whsec_${marked}`)
    const shown = [
      inspect(key, { showHidden: true, depth: 9 }),
      JSON.stringify(key),
      String(key),
      JSON.stringify({ ...key }),
    ]
    for (const text of shown) expect(text).not.toMatch(/Zq9|WnE5|5a7139/)
  })

  it('keeps a parsed key, but not the keys of ever more tenants', () => {
    const first = parseSecret(secret)
    expect(parseSecret(secret)).toBe(first)
    for (let tenant = 0; tenant < 300; tenant += 1) parseSecret(Buffer.alloc(24, `tenant ${tenant}`).toString('base64'))
    expect(parseSecret(secret)).not.toBe(first)
    expect(parseSecret(secret).decoded.mac('', Buffer.from('x'))).toBe(base64Mac('x'))
  })
})

describe('parseSecrets', () => {
  it('keeps the order of a list', () => {
    expect(parseSecrets([otherSecret, secret])).toEqual([parseSecret(otherSecret), parseSecret(secret)])
    expect(parseSecrets([otherSecret, secret])[1]).toBe(parseSecret(secret))
  })

  it('takes eight secrets and refuses nine', () => {
    expect(parseSecrets(Array(8).fill(secret))).toHaveLength(8)
    expect(thrownBy(() => parseSecrets(Array(9).fill(secret)))).toMatchObject({
      code: 'configuration_invalid',
      message: expect.stringContaining('Expected the number of secrets to be a whole number from 1 to 8, got 9.'),
    })
  })

  it.each<[string, readonly unknown[]]>([
    ['an empty list', []],
    ['a list that holds undefined', [secret, undefined]],
    ['a list with a hole', Object.assign(Array(2), { 0: secret })],
    ['a list that holds an empty text', ['', secret]],
  ])('refuses %s', (_given, list) => {
    expect(thrownBy(() => parseSecrets(list as readonly string[]))).toMatchObject({ code: 'configuration_invalid' })
  })
})

describe('a receiver’s secret', () => {
  it.each(misreadings)('is refused at the start: $given', ({ text }) => {
    expect(thrownBy(() => createReceiver({ secret: text })).code).toBe('configuration_invalid')
    expect(thrownBy(() => createReceiver({ secret: [secret, text] })).code).toBe('configuration_invalid')
  })

  it('is refused at the start when the variable is not set', () => {
    expect(thrownBy(() => createReceiver({ secret: undefined }))).toMatchObject({
      code: 'configuration_invalid',
      message: expect.stringContaining('process.env.SCRAPENEST_WEBHOOK_SECRET'),
    })
  })

  it('is accepted between 16 and 23 bytes, with a warning', () => {
    const logger = recordingLogger()
    createReceiver({ secret: Buffer.alloc(23, 'k').toString('base64'), logger })
    expect(logger.lines).toEqual([
      {
        level: 'warn',
        fields: { code: 'configuration_invalid', name: 'scrapenest' },
        message: expect.stringContaining('shorter than 24 bytes'),
      },
    ])
  })

  it('is accepted from 24 bytes on without a word', () => {
    const logger = recordingLogger()
    createReceiver({ secret: Buffer.alloc(24, 'k').toString('base64'), logger })
    expect(logger.lines).toEqual([])
  })

  it('does not show on the receiver', () => {
    const receiver = createReceiver({ secret: `whsec_${marked}` })
    expect(inspect(receiver, { showHidden: true, depth: 9 })).not.toContain(marked.slice(0, 8))
    expect(JSON.stringify(receiver)).toBe('{}')
  })
})

describe('rotation', () => {
  it('tells which secret matched', () => {
    const { headers } = deliver('x', { secret: otherSecret })
    expect(verify({ headers, body: 'x' }, [secret, otherSecret], atStart).secretIndex).toBe(1)
  })

  it('accepts a delivery that is signed with both', () => {
    const { headers } = deliver('x', { secret: otherSecret })
    const second = sign({ id: 'msg_1', timestamp: new Date(atStart.now()), body: 'x' }, secret)['svix-signature']
    headers['svix-signature'] += ` ${second}`
    expect(verify({ headers, body: 'x' }, secret, atStart).secretIndex).toBe(0)
    expect(verify({ headers, body: 'x' }, otherSecret, atStart).secretIndex).toBe(0)
  })
})

function thrownBy(action: () => unknown): Error & { readonly code: WebhookErrorCode } {
  try {
    action()
  } catch (error) {
    return error as Error & { readonly code: WebhookErrorCode }
  }
  throw new Error('Nothing was thrown.')
}

import { createHmac } from 'node:crypto'
import { sign, verify } from '@scrapenest-webhooks/core'
import { codeOf } from '@scrapenest-webhooks/core/adapter'
import { generateSecret } from '@scrapenest-webhooks/testing'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { describe, expect, it } from 'vitest'

const secret = generateSecret()
const decodedKey = Buffer.from(secret.slice('whsec_'.length), 'base64')
const textKey = Buffer.from(secret)
const shortKey = Buffer.alloc(15, 7)
const id = 'msg_1'
const seconds = Math.floor(Date.now() / 1000)
const json = Buffer.from('{"a":1}')
const notUtf8 = Buffer.from([0x22, 0xff, 0x22])
const replacementCharacter = Buffer.from('"\ufffd"')
const forged = `v1,${'A'.repeat(43)}=`

/** A change to a genuine delivery that has both header families. */
interface Change {
  /** By the name that both families share: `id`, `timestamp`, `signature`. */
  readonly headers?: Readonly<Record<string, unknown>>
  readonly form?: (headers: Record<string, unknown>) => object
  readonly signed?: Buffer
  readonly received?: unknown
  readonly receiverSecret?: unknown
}

/** What svix and standardwebhooks both accept, and the code with which we reject it. */
const refusedByOurs: readonly (readonly [delivery: string, code: string, change: Change])[] = [
  ['text after the digits of a timestamp', 'timestamp_invalid', { headers: { timestamp: `${seconds}abc` } }],
  ['a timestamp with a fraction', 'timestamp_invalid', { headers: { timestamp: `${seconds}.999` } }],
  ['a timestamp that is a number', 'timestamp_invalid', { headers: { timestamp: seconds } }],
  ['an id with a comma', 'message_id_invalid', { headers: { id: 'a,b', signature: signatureWith(decodedKey, 'a,b') } }],
  [
    'an id with a period',
    'message_id_invalid',
    { headers: { id: 'a.b', signature: signatureWith(decodedKey, 'a.b') } },
  ],
  [
    'two spellings of the id header with different values',
    'duplicate_header',
    { form: (headers) => ({ 'SVIX-ID': 'msg_2', 'WEBHOOK-ID': 'msg_2', ...headers }) },
  ],
  ['bytes that decode to the signed text', 'signature_mismatch', { signed: replacementCharacter, received: notUtf8 }],
  [
    'a genuine signature after sixteen forged ones',
    'signature_mismatch',
    { headers: { signature: `${`${forged} `.repeat(16)}${signatureOf(json)}` } },
  ],
  ['text after a signature', 'no_supported_signature', { headers: { signature: `${signatureOf(json)},junk` } }],
  [
    'a parsed body that calls itself a Buffer',
    'raw_body_unavailable',
    { received: { constructor: { name: 'Buffer' }, toString: () => String(json) } },
  ],
  [
    'a secret of 15 bytes',
    'configuration_invalid',
    { receiverSecret: `whsec_${shortKey.toString('base64')}`, headers: { signature: signatureWith(shortKey) } },
  ],
]

/** What we accept and both others reject. */
const acceptedByOurs: readonly (readonly [delivery: string, change: Change])[] = [
  ['signed bytes that are not UTF-8', { signed: notUtf8 }],
  ['a body in a Uint8Array', { received: new Uint8Array(json) }],
  ['a Headers object', { form: (headers) => new Headers(headers as Record<string, string>) }],
  ['a Map of headers', { form: (headers) => new Map(Object.entries(headers)) }],
  ['a list of signature headers', { headers: { signature: ['v1,x', signatureOf(json)] } }],
  [
    'two spellings of the id header, one without a value',
    { form: (headers) => ({ ...headers, 'SVIX-ID': undefined, 'WEBHOOK-ID': undefined }) },
  ],
  ['a list of secrets', { receiverSecret: [generateSecret(), secret] }],
  ['a signature made with the text of the secret', { headers: { signature: signatureWith(textKey) } }],
]

/** What only one of the others accepts. */
const disputed: readonly (readonly [delivery: string, ours: string, acceptedBy: string, change: Change])[] = [
  ['a body that is not JSON', 'accepted', 'svix', { signed: Buffer.from('not JSON') }],
  ['svix-* headers alone', 'accepted', 'svix', { form: (headers) => only('svix', headers) }],
  [
    'genuine webhook-* headers next to a forged svix-signature',
    'accepted',
    'standardwebhooks',
    { form: (headers) => ({ ...headers, 'svix-signature': forged }) },
  ],
  [
    'webhook-* headers completed by svix-id',
    'missing_header',
    'svix',
    { form: (headers) => ({ ...only('webhook', headers), 'webhook-id': undefined, 'svix-id': id }) },
  ],
]

describe('verify differs from svix and standardwebhooks on purpose:', () => {
  it.each(refusedByOurs)('it rejects %s with %s', (_delivery, code, change) => {
    expect(outcomesOf(change)).toEqual({ ours: code, acceptedBy: ['svix', 'standardwebhooks'] })
  })

  it.each(acceptedByOurs)('it accepts %s', (_delivery, change) => {
    expect(outcomesOf(change)).toEqual({ ours: 'accepted', acceptedBy: [] })
  })

  it.each(disputed)('%s: %s, and accepted by %s alone', (_delivery, ours, acceptedBy, change) => {
    expect(outcomesOf(change)).toEqual({ ours, acceptedBy: [acceptedBy] })
  })
})

function outcomesOf(change: Change): { readonly ours: string; readonly acceptedBy: readonly string[] } {
  const { headers, body, receiverSecret } = deliveryWith(change)
  const peers = { svix: SvixWebhook, standardwebhooks: StandardWebhook }
  const accepting = Object.entries(peers).filter(
    ([, Webhook]) => outcomeOf(() => new Webhook(receiverSecret).verify(body, headers)) === 'accepted',
  )
  return {
    ours: outcomeOf(() => verify({ headers, body }, receiverSecret)),
    acceptedBy: accepting.map(([name]) => name),
  }
}

/** The casts allow values in the table that the types forbid. */
function deliveryWith({
  headers = {},
  form = (all) => all,
  signed = json,
  received = signed,
  receiverSecret = secret,
}: Change): {
  readonly headers: Record<string, string>
  readonly body: Buffer
  readonly receiverSecret: string
} {
  const parts = { id, timestamp: String(seconds), signature: signatureOf(signed), ...headers }
  const families = ['svix', 'webhook'].flatMap((family) =>
    Object.entries(parts).map(([part, value]) => [`${family}-${part}`, value] as const),
  )
  return {
    headers: form(Object.fromEntries(families)) as Record<string, string>,
    body: received as Buffer,
    receiverSecret: receiverSecret as string,
  }
}

function signatureOf(body: Buffer): string {
  return sign({ id, timestamp: seconds, body }, secret)['svix-signature']
}

function signatureWith(key: Buffer, signedId = id): string {
  return `v1,${createHmac('sha256', key).update(`${signedId}.${seconds}.`).update(json).digest('base64')}`
}

function only(family: string, headers: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith(family)))
}

function outcomeOf(work: () => unknown): string {
  try {
    work()
    return 'accepted'
  } catch (error) {
    return codeOf(error) ?? `another error: ${String(error)}`
  }
}

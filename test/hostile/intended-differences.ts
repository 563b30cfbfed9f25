import { createHmac } from 'node:crypto'
import { sign, type WebhookErrorCode } from '@scrapenest-webhooks/core'
import { generateSecret } from '@scrapenest-webhooks/testing'

export type Peer = 'standardwebhooks' | 'svix'
export type Outcome = 'accepted' | 'refused'

/** A delivery and the secret it is checked with, as each implementation is handed them. */
export interface DeliveryCase {
  readonly secret: unknown
  readonly headers: object
  readonly body: unknown
}

/** Something that we decided to do differently from the two, and the deliveries on which it shows. */
export interface IntendedDifference {
  readonly name: string
  /** What ours says of the examples. Of a delivery with several faults it may name another one, but not change sides. */
  readonly ours: WebhookErrorCode | 'accepted'
  /** Whether the difference is to be expected of this delivery. Looks at the delivery alone, and not at what came of it. */
  covers(made: DeliveryCase, peer: Peer): boolean
  /** Deliveries on which it shows with at least one of the two. */
  examples(): readonly DeliveryCase[]
}

const families = ['svix', 'webhook'] as const
type Part = 'id' | 'timestamp' | 'signature'

/** All values that go by a name in any spelling; a Map or `Headers` counts as what it holds. */
function valuesOf(made: DeliveryCase, name: string): readonly unknown[] {
  const pairs = isObjectOfHeaders(made)
    ? Object.entries(made.headers)
    : [...(made.headers as Iterable<[string, unknown]>)]
  return pairs.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value)
}

function partsOf(made: DeliveryCase, part: Part): readonly unknown[] {
  return families.flatMap((family) => valuesOf(made, `${family}-${part}`)).flat()
}

function textsOf(made: DeliveryCase, part: Part): readonly string[] {
  return partsOf(made, part).filter((value) => typeof value === 'string')
}

function isObjectOfHeaders({ headers }: DeliveryCase): boolean {
  return !(Symbol.iterator in headers)
}

function isComplete(made: DeliveryCase, family: (typeof families)[number]): boolean {
  return (['id', 'timestamp', 'signature'] as const).every((part) =>
    valuesOf(made, `${family}-${part}`).some((value) => value !== undefined && value !== null && value !== ''),
  )
}

/** Some of a family is there, and some is not. */
function isPartial(made: DeliveryCase, family: (typeof families)[number]): boolean {
  const given = (['id', 'timestamp', 'signature'] as const).filter((part) =>
    valuesOf(made, `${family}-${part}`).some((value) => value !== undefined && value !== null),
  )
  return given.length > 0 && given.length < 3
}

function isExactText(body: unknown): boolean {
  const bytes = Buffer.from(body as Uint8Array)
  return Buffer.from(bytes.toString('utf8')).equals(bytes)
}

function isJson(body: unknown): boolean {
  try {
    JSON.parse(String(body))
    return true
  } catch {
    return String(body) === ''
  }
}

function macWithText(key: string, prefix: string, body: Uint8Array): string {
  return `v1,${createHmac('sha256', Buffer.from(key)).update(prefix).update(body).digest('base64')}`
}

function isSignedWithText(made: DeliveryCase, family: (typeof families)[number]): boolean {
  if (!ArrayBuffer.isView(made.body)) return false
  const [id, timestamp, signature] = (['id', 'timestamp', 'signature'] as const).map((part) =>
    String(valuesOf(made, `${family}-${part}`)[0]),
  )
  return signature === macWithText(String(made.secret), `${id}.${timestamp}.`, made.body as Uint8Array)
}

const secret = generateSecret()

interface ExampleOptions {
  readonly id?: string
  readonly timestamp?: string
  readonly signature?: (signature: string) => unknown
  readonly body?: Buffer
  readonly secret?: unknown
  readonly received?: unknown
  readonly headers?: (headers: Record<string, unknown>) => object
}

/** A good delivery under both families, but for what is said of it. */
function example(options: ExampleOptions = {}): DeliveryCase {
  const seconds = Math.floor(Date.now() / 1000)
  const body = options.body ?? Buffer.from('{"a":1}')
  const { id = 'msg_1', timestamp = String(seconds) } = options
  const signature = sign({ id, timestamp: seconds, body }, secret)['svix-signature']
  const shown = options.signature?.(signature) ?? signature
  const headers = Object.fromEntries(
    families.flatMap((family) => [
      [`${family}-id`, id],
      [`${family}-timestamp`, timestamp],
      [`${family}-signature`, shown],
    ]),
  )
  return {
    secret: 'secret' in options ? options.secret : secret,
    headers: options.headers?.(headers) ?? headers,
    body: 'received' in options ? options.received : body,
  }
}

function now(): string {
  return String(Math.floor(Date.now() / 1000))
}

function only(prefix: string): (headers: Record<string, unknown>) => object {
  return (headers) => Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith(prefix)))
}

/** The list. Whatever else tells ours from the two is a fault. */
export const intendedDifferences: readonly IntendedDifference[] = [
  {
    name: 'stricter timestamp: plain decimal digits, where the two take what parseInt takes and sign another text',
    ours: 'timestamp_invalid',
    covers: (made) =>
      partsOf(made, 'timestamp').some(
        (value) => !/^(?:0|[1-9][0-9]{0,14})$/.test(typeof value === 'string' ? value : ''),
      ),
    examples: () =>
      [`${now()}abc`, `${now()}.999`, `+${now()}`, ` ${now()}`, `000${now()}`, `${now()}, 1`].map((timestamp) =>
        example({ timestamp }),
      ),
  },
  {
    name: 'id grammar: visible ASCII without full stop and comma, at most 256, where the two take anything',
    ours: 'message_id_invalid',
    covers: (made) =>
      partsOf(made, 'id').some(
        (value) => !/^[\x21-\x2b\x2d\x2f-\x7e]{1,256}$/.test(typeof value === 'string' ? value : ''),
      ),
    examples: () => ['a.b', 'a,b', 'a b', 'x'.repeat(257)].map((id) => example({ id })),
  },
  {
    name: 'bytes instead of text: a signature over other bytes than those that came is refused, also where both read as the same text',
    ours: 'signature_mismatch',
    covers: ({ body }) => ArrayBuffer.isView(body) && !isExactText(body),
    examples: () => [example({ body: Buffer.from('"\ufffd"'), received: Buffer.from([0x22, 0xff, 0x22]) })],
  },
  {
    name: 'bytes instead of text: a signature over bytes that are no UTF-8 is accepted',
    ours: 'accepted',
    covers: ({ body }) => ArrayBuffer.isView(body) && !isExactText(body),
    examples: () => [example({ body: Buffer.from([0x22, 0xff, 0xfe, 0x22]) })],
  },
  {
    name: 'a parsed body is refused, also one that calls itself a Buffer',
    ours: 'raw_body_unavailable',
    covers: ({ body }) => !ArrayBuffer.isView(body) && typeof body !== 'string',
    examples: () => [
      example({ body: Buffer.from('[object Object]'), received: { constructor: { name: 'Buffer' } } }),
      example({ body: Buffer.from('{}'), received: { constructor: { name: 'Buffer' }, toString: () => '{}' } }),
    ],
  },
  {
    name: 'a Uint8Array is bytes, where the two take a Buffer only',
    ours: 'accepted',
    covers: ({ body }) => body instanceof Uint8Array && !Buffer.isBuffer(body),
    examples: () => [example({ received: new Uint8Array(Buffer.from('{"a":1}')) })],
  },
  {
    name: 'verify is about the signature: a body that is no JSON is verified, where standardwebhooks throws a SyntaxError',
    ours: 'accepted',
    covers: ({ body }, peer) => peer === 'standardwebhooks' && !isJson(body),
    examples: () => [example({ body: Buffer.from('not JSON') }), example({ body: Buffer.from('\ufeff{}') })],
  },
  {
    name: 'Headers, Map and lists of pairs are headers',
    ours: 'accepted',
    covers: (made) => !isObjectOfHeaders(made),
    examples: () => [
      example({ headers: (headers) => new Headers(headers as Record<string, string>) }),
      example({ headers: (headers) => new Map(Object.entries(headers)) }),
      example({ headers: (headers) => Object.entries(headers) }),
    ],
  },
  {
    name: 'a header in a list of one, and several signature headers, are what Node hands out, where the two throw a TypeError',
    ours: 'accepted',
    covers: (made) => families.some((family) => valuesOf(made, `${family}-signature`).some(Array.isArray)),
    examples: () => [
      example({ signature: (signature) => [signature] }),
      example({ signature: (signature) => ['v1,x', signature] }),
    ],
  },
  {
    name: 'one header twice with different values is refused, in two spellings or in a list, where the two take the last or the first',
    ours: 'duplicate_header',
    covers: (made) =>
      families.some((family) =>
        (['id', 'timestamp', 'signature'] as const).some((part) => {
          const values = valuesOf(made, `${family}-${part}`)
          return (
            values.length > 1 ||
            (part !== 'signature' && values.some((value) => Array.isArray(value) && value.length > 1))
          )
        }),
      ),
    examples: () => [
      example({ headers: (headers) => ({ 'SVIX-ID': 'msg_2', 'WEBHOOK-ID': 'msg_2', ...headers }) }),
      example({ headers: (headers) => ({ 'Svix-Signature': 'v1,x', 'Webhook-Signature': 'v1,x', ...headers }) }),
    ],
  },
  {
    name: 'a header that comes a second time without a value says nothing, where the two let it replace the first',
    ours: 'accepted',
    covers: (made) =>
      families.some((family) =>
        (['id', 'timestamp', 'signature'] as const).some((part) => {
          const values = valuesOf(made, `${family}-${part}`)
          return values.length > 1 && values.some((value) => value === undefined || value === null)
        }),
      ),
    examples: () => [
      example({ headers: (headers) => ({ ...headers, 'SVIX-ID': null, 'WEBHOOK-ID': null }) }),
      example({ headers: (headers) => ({ ...headers, 'SVIX-ID': undefined, 'WEBHOOK-ID': undefined }) }),
    ],
  },
  {
    name: 'both families are read, where standardwebhooks knows webhook-* only',
    ours: 'accepted',
    covers: (made, peer) => peer === 'standardwebhooks' && isComplete(made, 'svix'),
    examples: () => [example({ headers: only('svix') })],
  },
  {
    name: 'each complete family is tried, where svix looks at svix-* alone as soon as one of them is there',
    ours: 'accepted',
    covers: (made, peer) => peer === 'svix' && isComplete(made, 'webhook'),
    examples: () => [example({ headers: (headers) => ({ ...headers, 'svix-signature': `v1,${'A'.repeat(43)}=` }) })],
  },
  {
    name: 'families are never mixed, where svix fills what svix-* lacks from webhook-*',
    ours: 'missing_header',
    covers: (made, peer) => peer === 'svix' && isPartial(made, 'svix'),
    examples: () => [
      example({
        headers: ({ 'webhook-id': _, 'svix-timestamp': __, 'svix-signature': ___, ...headers }) => headers,
      }),
    ],
  },
  {
    name: 'at most 16 signatures are looked at, where the two compare all',
    ours: 'signature_mismatch',
    covers: (made) => textsOf(made, 'signature').some((text) => text.split(' ').length > 16),
    examples: () => [
      example({
        signature: (signature) => [...Array.from({ length: 16 }, () => `v1,${'A'.repeat(43)}=`), signature].join(' '),
      }),
    ],
  },
  {
    name: 'nothing but one comma may follow a signature, where the two cut it off at the second comma',
    ours: 'no_supported_signature',
    covers: (made) => textsOf(made, 'signature').some((text) => /v1,[^ ,]*,[^ ]/.test(text)),
    examples: () => [example({ signature: (signature) => `${signature},junk` })],
  },
  {
    name: 'a timestamp is text, where the two take a number',
    ours: 'timestamp_invalid',
    covers: (made) => partsOf(made, 'timestamp').some((value) => typeof value === 'number'),
    examples: () => [
      example({
        headers: (headers) => ({ ...headers, 'svix-timestamp': Number(now()), 'webhook-timestamp': Number(now()) }),
      }),
    ],
  },
  {
    name: 'a secret has at least 16 bytes, where the two take a single one',
    ours: 'configuration_invalid',
    covers: ({ secret }) => Buffer.from(String(secret).replace(/^whsec_/, ''), 'base64').byteLength < 16,
    examples: () =>
      [1, 15].map((length) => {
        const key = Buffer.alloc(length, 7)
        const mac = createHmac('sha256', key).update(`msg_1.${now()}.{}`).digest('base64')
        return example({
          body: Buffer.from('{}'),
          secret: `whsec_${key.toString('base64')}`,
          signature: () => `v1,${mac}`,
        })
      }),
  },
  {
    name: 'a list of secrets is a rotation, where the two take one',
    ours: 'accepted',
    covers: ({ secret }) => Array.isArray(secret),
    examples: () => [example({ secret: [generateSecret(), secret] })],
  },
  {
    name: 'a secret stands for two keys: its decoded base64, and its text as the SDK of ScrapeNest takes it, where the two know the first',
    ours: 'accepted',
    covers: (made) => families.some((family) => isSignedWithText(made, family)),
    examples: () => {
      const signature = macWithText(secret, `msg_1.${now()}.`, Buffer.from('{}'))
      return [example({ body: Buffer.from('{}'), signature: () => signature })]
    },
  },
]

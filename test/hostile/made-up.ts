import fc from 'fast-check'

/** A secret in ScrapeNest's format, of any accepted length, including keys longer than the hash's block. */
export const secret: fc.Arbitrary<string> = fc
  .uint8Array({ minLength: 16, maxLength: 100 })
  .map((bytes) => `whsec_${Buffer.from(bytes).toString('base64')}`)

/** Visible ASCII without period and comma. */
export const messageId: fc.Arbitrary<string> = fc.string({
  minLength: 1,
  maxLength: 40,
  unit: fc.constantFrom(
    ...Array.from({ length: 0x7e - 0x20 }, (_, index) => String.fromCharCode(0x21 + index)).filter(
      (character) => character !== '.' && character !== ',',
    ),
  ),
})

export const secondsSince1970: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 0, max: 4_102_444_800 }),
  // The last one is the maximum of a Date.
  fc.constantFrom(0, 1, 999_999_999, 8_640_000_000_000),
)

export const signedMessage: fc.Arbitrary<{ id: string; timestamp: number; body: Uint8Array; secret: string }> =
  fc.record({
    id: messageId,
    timestamp: secondsSince1970,
    body: fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.json().map((text) => Buffer.from(text)),
      // A view into a larger buffer: code that reads `.buffer` gets other bytes.
      fc.uint8Array({ minLength: 9, maxLength: 300 }).map((bytes) => bytes.subarray(4, -4)),
    ),
    secret,
  })

const signatureCharacter = fc.oneof(
  { weight: 32, arbitrary: fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=') },
  { weight: 1, arbitrary: fc.integer({ max: 0x2ff, min: 0 }).map((code) => String.fromCharCode(code)) },
)

/** Up to three signatures that are slightly malformed, or well-formed and wrong. */
export const malformedSignature: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(
      fc.tuple(
        fc.constantFrom('v1,', 'v1,', 'v1,', 'v1a,', 'V1,', 'v1', '', 'v2,', ','),
        fc.oneof(
          fc.string({ unit: signatureCharacter, minLength: 43, maxLength: 43 }).map((text) => `${text}=`),
          fc.string({ unit: signatureCharacter, maxLength: 60 }),
        ),
      ),
      { minLength: 1, maxLength: 3 },
    ),
    fc.constantFrom(' ', ' ', ', ', ',', '  '),
  )
  .map(([signatures, separator]) => signatures.map((parts) => parts.join('')).join(separator))

/**
 * Creates a value. Some values throw when they are touched, even by fast-check, so they are created only inside the `try`, and a
 * failure prints how the value was created.
 */
export type Recipe = () => unknown

function recipeFrom(make: Recipe, description: string): Recipe {
  return Object.assign(make, { [fc.toStringMethod]: () => description })
}

const plainValue: fc.Arbitrary<Recipe> = fc.anything().map((value) => recipeFrom(() => value, fc.stringify(value)))

const unpleasantObject = fc.constantFrom<() => unknown>(
  () => revokedProxy(),
  () => throwing('every trap'),
  () => Object.create(null),
  () => ({
    get message(): never {
      throw new Error('message')
    },
  }),
  () => ({
    toString(): never {
      throw new Error('toString')
    },
  }),
  () => ({ valueOf: null, toString: null }),
  // Looks exactly like one of our errors.
  () => ({ library: 'scrapenest-webhooks', code: 'retry_later', retryAfterSeconds: '1\r\nx-injected: 1' }),
  () => ({ library: 'scrapenest-webhooks', code: 'body_too_large', message: Symbol('message') }),
  () => ({ library: 'scrapenest-webhooks', code: '__proto__' }),
  () => codeThatChanges(),
  () => new Proxy(function named() {}, {}),
  () => new String('svix-id'),
  () => new Date(Number.NaN),
  () => new Map<unknown, unknown>([[{}, Symbol('value')]]),
  // biome-ignore lint/suspicious/noThenProperty: a thenable that never settles is an odd value.
  () => ({ then() {} }),
  () => ({
    // biome-ignore lint/suspicious/noThenProperty: so is one that throws when it is read.
    get then(): never {
      throw new Error('then')
    },
  }),
  () => new DataView(new ArrayBuffer(8)),
  () => new Uint8Array(new SharedArrayBuffer(8)),
  () => new Uint8Array(resizableBuffer()),
  () => detached(),
  () => 10n ** 400n,
  () => Symbol.iterator,
  () => 'x'.repeat(200_000),
  () => '\ud800\udc00\ud800',
)

/** Any value, including ones that throw when they are touched. */
export const oddValue: fc.Arbitrary<Recipe> = fc.oneof(plainValue, unpleasantObject)

const headerName = fc.oneof(
  fc.constantFrom(
    'svix-id',
    'Svix-Id',
    'SVIX-ID',
    'svix-timestamp',
    'svix-signature',
    'webhook-id',
    'Webhook-Timestamp',
    'webhook-signature',
    'content-length',
    'Content-Encoding',
    'transfer-encoding',
    ':method',
    '__proto__',
    'constructor',
  ),
  fc.string({ maxLength: 12 }),
)

const headerValue: fc.Arbitrary<Recipe> = fc.oneof(
  fc
    .constantFrom(
      'msg_1',
      '1700000000',
      '1700000000 ',
      '+1700000000',
      '1e9',
      '٣',
      '',
      ' ',
      'gzip',
      'identity',
      '99999999999999999999',
      '-1',
      `v1,${'A'.repeat(43)}=`,
      `v1,${'B'.repeat(43)}=`,
      `v1a,${'A'.repeat(86)}==`,
      Array.from({ length: 40 }, () => `v1,${'A'.repeat(43)}=`).join(' '),
    )
    .map((text) => recipeFrom(() => text, JSON.stringify(text))),
  fc
    .array(fc.oneof(fc.string(), fc.constant(['msg_1']), fc.anything()), { maxLength: 3 })
    .map((list) => recipeFrom(() => list, fc.stringify(list))),
  oddValue,
)

const headerPairs = fc.array(fc.tuple(headerName, headerValue))
type HeaderPairs = readonly (readonly [string, Recipe])[]

/** Headers created from pairs. */
function inForm(make: (pairs: (readonly [string, unknown])[]) => unknown): fc.Arbitrary<Recipe> {
  return headerPairs.map((pairs: HeaderPairs) => {
    const description = `${String(make)} of ${fc.stringify(pairs)}`
    return recipeFrom(() => make(pairs.map(([name, value]) => [name, value()] as const)), description)
  })
}

/** Headers in every form that a host might pass, and in others. */
export const oddHeaders: fc.Arbitrary<Recipe> = fc.oneof(
  inForm((pairs) => Object.fromEntries(pairs)),
  inForm((pairs) => new Map(pairs)),
  inForm((pairs) => pairs),
  inForm((pairs) => withGetters(pairs)),
  inForm((pairs) => new Proxy(Object.fromEntries(pairs), {})),
  inForm((pairs) => pairs.values()),
  fc.constantFrom<() => unknown>(
    () => throwing('every trap'),
    () => revokedProxy(),
    () => throwing('a value'),
    () => ({ [Symbol.iterator]: 7 }),
    () => ({
      [Symbol.iterator]: () => ({
        next(): never {
          throw new Error('next')
        },
      }),
    }),
    () => new (class extends Headers {})([['svix-id', 'msg_1']]),
    () => [revokedProxy()],
    () => ({ 'svix-id': revokedProxy() }),
    () => Array.from({ length: 5000 }, (_, index) => [`x-${index}`, 'flood']),
  ),
)

function withGetters(pairs: readonly (readonly [string, unknown])[]): object {
  const headers = {}
  for (const [name, value] of pairs) {
    Object.defineProperty(headers, name, { get: () => value, enumerable: true, configurable: true })
  }
  return headers
}

function throwing(what: 'every trap' | 'a value'): object {
  const fail = (): never => {
    throw new Error(`${what} throws`)
  }
  if (what === 'a value') {
    return Object.defineProperty({}, 'svix-id', { get: fail, enumerable: true })
  }
  return new Proxy({}, { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail, getOwnPropertyDescriptor: fail })
}

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

function resizableBuffer(): ArrayBuffer {
  // TypeScript's configured library predates this constructor's second parameter.
  const Resizable = ArrayBuffer as unknown as new (length: number, options: { maxByteLength: number }) => ArrayBuffer
  return new Resizable(8, { maxByteLength: 64 })
}

function detached(): Uint8Array {
  const bytes = new Uint8Array(8)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  return bytes
}

/** Looks like one of our errors when first read, and throws when read again. */
function codeThatChanges(): object {
  let looks = 0
  return {
    library: 'scrapenest-webhooks',
    get code(): string {
      looks += 1
      if (looks > 1) throw new Error('read twice')
      return 'permanent_failure'
    },
  }
}

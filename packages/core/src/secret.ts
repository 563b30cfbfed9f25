import { checkWholeNumber } from './check-options.ts'
import { ConfigurationError } from './errors.ts'
import { type SigningKey, signingKey } from './signing-key.ts'

/** A signing secret as ScrapeNest shows it: `whsec_` and base64. The prefix may be left out. */
export type Secret = string

export const maxSecrets = 8

/** Shorter keys can be guessed; the Standard Webhooks specification asks for 24 bytes and more. */
const minKeyBytes = 16
export const recommendedKeyBytes = 24

/**
 * A parsed secret and the two keys it may stand for.
 *
 * ScrapeNest's guide decodes the base64 after `whsec_` (docs.scrapenest.com/webhooks/verifying-signatures); its own SDK
 * takes the text of the secret as it is (scrapenest-sdk 1.2.0, webhooks.py). Whoever holds the secret has both keys, so
 * to accept either gives nothing away. `docs/decisions/0003-two-keys-per-secret.md`
 */
export interface SigningSecret {
  /** The key that `sign` uses: the one the guide and the Standard Webhooks specification describe. */
  readonly decoded: SigningKey
  /** Whether a key of this secret signed `prefix` and `body` with one of these signatures, compared in constant time. */
  matches(prefix: string, body: Uint8Array, signatures: readonly string[]): boolean
}

function signingSecret(text: string, bytes: Uint8Array): SigningSecret {
  const decoded = signingKey(bytes)
  /** The one that matched last comes first. */
  let [first, second] = [decoded, signingKey(Buffer.from(text))]
  return {
    decoded,
    matches(prefix, body, signatures) {
      if (first.signed(prefix, body, signatures)) return true
      if (!second.signed(prefix, body, signatures)) return false
      ;[first, second] = [second, first]
      return true
    },
  }
}

/**
 * Parses one secret, strictly: what a looser parser would ignore (a line break, a quote, a stray character) makes every
 * delivery fail later with nothing to see.
 *
 * @throws {ConfigurationError} `configuration_invalid`, with what to do. The message never holds any part of the secret.
 */
export function parseSecret(secret: Secret): SigningSecret {
  const cached = parsedSecrets.get(secret)
  if (cached !== undefined) return cached
  const parsed = signingSecret(secret, decode(secret))
  // Bounded, because a resolver may serve the secrets of very many tenants.
  if (parsedSecrets.size >= 256) parsedSecrets.clear()
  parsedSecrets.set(secret, parsed)
  return parsed
}

const parsedSecrets = new Map<string, SigningSecret>()

/**
 * Parses a secret or a list of secrets, tried in their order.
 *
 * @throws {ConfigurationError} `configuration_invalid`: none, more than eight, or one that is malformed.
 */
export function parseSecrets(secrets: Secret | readonly (Secret | undefined)[]): readonly SigningSecret[] {
  if (!Array.isArray(secrets)) return [parseSecret(secrets as Secret)]
  // Each costs a MAC per forged delivery.
  checkWholeNumber('the number of secrets', secrets.length, { min: 1, max: maxSecrets })
  // Not `map`, which leaves the holes of a sparse list: each delivery would fail on them.
  return Array.from(secrets, parseSecret)
}

function decode(secret: unknown): Uint8Array {
  if (secret === undefined || secret === null || secret === '') {
    throw new ConfigurationError('No signing secret. Is process.env.SCRAPENEST_WEBHOOK_SECRET set?')
  }
  if (typeof secret !== 'string') {
    throw new ConfigurationError(`Expected the signing secret to be a string, got ${typeof secret}.`)
  }
  const base64 = secret.replace(/^whsec_/, '')
  const bytes = Buffer.from(base64, 'base64')
  // Without padding the last character may carry spare bits, as in the vectors that implementations share. Else decoding and
  // encoding again must give the same text: Node's decoder skips what it does not understand.
  const isUnpadded = /^[A-Za-z0-9+/]+$/.test(base64) && base64.length % 4 !== 1
  const isBase64 = isUnpadded || base64 === bytes.toString('base64')
  if (isBase64 && bytes.byteLength >= minKeyBytes) return bytes
  // The ways a secret is pasted wrongly. The outermost damage is named first.
  const misreading = misreadings.find(([pattern]) => pattern.test(secret))?.[1]
  const problem =
    misreading ?? (isBase64 ? `is shorter than ${minKeyBytes} bytes` : 'is not base64, which has no "-" and no "_"')
  throw new ConfigurationError(`The signing secret ${problem}. Copy it again.`)
}

const misreadings: readonly (readonly [RegExp, string])[] = [
  [/\s/, 'contains white space'],
  [/^["'`]|["'`]$/, 'is in quotes'],
  [/^wh[sp]k_/, 'is an asymmetric key'],
  [/.whsec_/, 'has something before whsec_'],
]

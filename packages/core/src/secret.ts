import { checkWholeNumber } from './check-options.ts'
import { ConfigurationError } from './errors.ts'
import { SigningKey } from './signing-key.ts'

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
export class SigningSecret {
  /** The key that `sign` uses: the one the guide and the Standard Webhooks specification describe. */
  readonly decoded: SigningKey
  /** Both keys, the one that matched last first. */
  #keys: readonly [SigningKey, SigningKey]

  constructor(text: string, bytes: Uint8Array) {
    this.decoded = new SigningKey(bytes)
    this.#keys = [this.decoded, new SigningKey(Buffer.from(text, 'utf8'))]
  }

  /** Whether a key of this secret signed `prefix` and `body` with one of these signatures, compared in constant time. */
  matches(prefix: string, body: Uint8Array, signatures: readonly string[]): boolean {
    const [first, second] = this.#keys
    if (first.signed(prefix, body, signatures)) return true
    if (!second.signed(prefix, body, signatures)) return false
    this.#keys = [second, first]
    return true
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
  const parsed = new SigningSecret(secret, decode(secret))
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
  return Array.from(secrets, (secret) => parseSecret(secret))
}

function decode(secret: unknown): Uint8Array {
  if (secret === undefined || secret === null || secret === '') {
    throw new ConfigurationError(
      'No signing secret. Give `secret` the whsec_… of the endpoint, ' +
        'for example from process.env.SCRAPENEST_WEBHOOK_SECRET (is the variable set?).',
    )
  }
  if (typeof secret !== 'string') {
    throw new ConfigurationError(`Expected the secret to be a string, got ${typeof secret}.`)
  }
  for (const [pattern, problem] of misreadings) if (pattern.test(secret)) throw malformed(problem)
  const base64 = secret.replace(/^whsec_/, '')
  const bytes = Buffer.from(base64, 'base64')
  // Without padding the last character may carry spare bits, as in the vectors that implementations share.
  const isUnpadded = /^[A-Za-z0-9+/]+$/.test(base64) && base64.length % 4 !== 1
  // Else decoding and encoding again must give the same text: Node's decoder skips what it does not understand.
  if (!isUnpadded && base64 !== bytes.toString('base64')) {
    throw malformed('is not valid base64, which has no "-" and no "_": a character is missing, added or changed')
  }
  if (bytes.byteLength < minKeyBytes) {
    throw malformed(`decodes to ${bytes.byteLength} bytes; at least ${minKeyBytes} are needed`)
  }
  return bytes
}

/** The ways a secret is pasted wrongly. The order matters: the outermost damage is named first. */
const misreadings: readonly (readonly [RegExp, string])[] = [
  [/\s/, 'contains a space or a line break (many files end with one)'],
  [/^["'`]|["'`]$/, 'is in quotes (some .env readers keep them)'],
  [/^wh[sp]k_/, 'is an asymmetric key (whsk_, whpk_), which is not supported'],
  [/.whsec_/, 'has something before whsec_'],
]

function malformed(problem: string): ConfigurationError {
  return new ConfigurationError(`The signing secret ${problem}. Copy it again: whsec_ and base64, nothing else.`)
}

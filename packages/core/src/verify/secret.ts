import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { checkWholeNumber } from '../check.ts'
import { ConfigurationError } from '../errors.ts'

/** A signing secret as ScrapeNest shows it: `whsec_` and base64. The prefix may be left out. */
export type Secret = string

/** What a function that looks up secrets may return. Nothing (`undefined`, `null`, `''`, `[]`) means there is none. */
export type SecretResult = Secret | readonly Secret[] | null | undefined

/** A forged delivery costs up to four HMACs per secret: two keys, two header families. */
export const maxSecrets = 8

/** Shorter keys can be guessed; the Standard Webhooks specification asks for 24 bytes or more. */
const minKeyBytes = 16
const recommendedKeyBytes = 24

/**
 * A parsed secret: the two keys it may stand for.
 *
 * ScrapeNest's guide decodes the base64 after `whsec_` (docs.scrapenest.com/webhooks/verifying-signatures); its own SDK
 * uses the text of the secret (scrapenest-sdk 1.2.0, webhooks.py). Anyone who holds the secret can compute both keys,
 * so accepting either weakens nothing. See `docs/decisions/0003-two-keys-per-secret.md`.
 */
export interface SigningSecret {
  /** First the decoded key, which `sign` uses, then the key made of the text. */
  readonly keys: readonly [decoded: KeyObject, text: KeyObject]
  readonly isShort: boolean
}

/**
 * HMAC-SHA256 over the content that is signed: `id.timestamp.` and the body (Standard Webhooks, "Signature scheme").
 *
 * @returns its base64 as bytes, which costs less than a digest of bytes (`bench/devices.ts`).
 */
export function hmac(key: KeyObject, prefix: string, body: Uint8Array): Buffer {
  return Buffer.from(createHmac('sha256', key).update(prefix).update(body).digest('base64'))
}

/** Generates a signing secret in ScrapeNest's form: `whsec_` and 32 random bytes. */
export function generateSecret(): Secret {
  return `whsec_${randomBytes(32).toString('base64')}`
}

/**
 * Whether a `secret` option is unset, as `process.env` leaves it: `undefined`, `null`, `''`, `[]` or a list of those.
 */
export function isUnsetSecret(secret: unknown): boolean {
  // The length first: a secret function may return a list of any length.
  if (Array.isArray(secret)) return secret.length <= maxSecrets && secret.every(isUnsetSecret)
  return secret === undefined || secret === null || secret === ''
}

/** The error for a secret that is unset. */
export function unsetSecret(): ConfigurationError {
  return new ConfigurationError('No signing secret. Is process.env.SCRAPENEST_WEBHOOK_SECRET set?')
}

/**
 * Parses one secret, strictly: what a lenient parser would skip (a line break, a quote, a stray character) makes every
 * delivery fail later without a clue.
 *
 * @throws {ConfigurationError} `configuration_invalid`, with the fix. The message never holds any part of the secret.
 */
export function parseSecret(secret: Secret): SigningSecret {
  const cached = parsedSecrets.get(secret)
  if (cached !== undefined) return cached
  const bytes = decodeSecret(secret)
  const parsed: SigningSecret = {
    keys: [createSecretKey(bytes), createSecretKey(Buffer.from(secret))],
    isShort: bytes.byteLength < recommendedKeyBytes,
  }
  // Bounded, because a secret function may serve any number of tenants.
  if (parsedSecrets.size >= 256) parsedSecrets.clear()
  parsedSecrets.set(secret, parsed)
  return parsed
}

/** `verify` gets the secret as text on every call; parsing it costs as much as a MAC. */
const parsedSecrets = new Map<string, SigningSecret>()

/**
 * Parses a secret or a list of secrets, keeping their order.
 *
 * @throws {ConfigurationError} `configuration_invalid`: none, more than eight, or one that is malformed.
 */
export function parseSecrets(secrets: Secret | readonly (Secret | undefined)[] | undefined): readonly SigningSecret[] {
  if (isUnsetSecret(secrets)) throw unsetSecret()
  if (!Array.isArray(secrets)) return [parseSecret(secrets as Secret)]
  checkWholeNumber('the number of secrets', secrets.length, { min: 1, max: maxSecrets })
  // Not `map`, which skips the holes of a sparse list.
  return Array.from(secrets, parseSecret)
}

function decodeSecret(secret: unknown): Uint8Array {
  if (secret === undefined || secret === null || secret === '') throw unsetSecret()
  if (typeof secret !== 'string') {
    throw new ConfigurationError(`Expected the signing secret to be a string, got ${typeof secret}.`)
  }
  const base64 = secret.replace(/^whsec_/, '')
  const bytes = Buffer.from(base64, 'base64')
  // Node's decoder skips what it does not understand, so the text must survive a round trip. Unpadded text is accepted
  // even if its last character has unused bits set, because shared test vectors do that.
  const isUnpadded = /^[A-Za-z0-9+/]+$/.test(base64) && base64.length % 4 !== 1
  const isBase64 = isUnpadded || base64 === bytes.toString('base64')
  if (isBase64 && bytes.byteLength >= minKeyBytes) return bytes
  const mistake = mistakes.find(({ pattern }) => pattern.test(secret))?.problem
  const problem =
    mistake ?? (isBase64 ? `is shorter than ${minKeyBytes} bytes` : 'is not base64, which has no "-" and no "_"')
  throw new ConfigurationError(`The signing secret ${problem}. Copy it again.`)
}

/** How secrets get damaged on the way, outermost damage first. */
const mistakes: readonly { readonly pattern: RegExp; readonly problem: string }[] = [
  { pattern: /\s/, problem: 'contains white space' },
  { pattern: /^["'`]|["'`]$/, problem: 'is in quotes' },
  { pattern: /^wh[sp]k_/, problem: 'is an asymmetric key' },
  { pattern: /.whsec_/, problem: 'has something before whsec_' },
]

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
  /** Whether it is a placeholder, or an example from a guide: anyone can sign with it. */
  readonly isPublic: boolean
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

/**
 * The error for a secret that is unset.
 *
 * @param position where in a list it is missing: ` in entry 2 of 3`.
 */
export function unsetSecret(position = ''): ConfigurationError {
  const question = position === '' ? 'Is process.env.SCRAPENEST_WEBHOOK_SECRET set?' : 'Is there a comma too many?'
  return new ConfigurationError(`No signing secret${position}. ${question}`)
}

/**
 * Parses one secret, strictly: what a lenient parser would skip (a line break, a quote, a stray character) makes every
 * delivery fail later without a clue.
 *
 * @throws {ConfigurationError} `configuration_invalid`, with the fix. The message never holds any part of the secret.
 */
export function parseSecret(secret: Secret): SigningSecret {
  return parseEntry(secret, '')
}

/** @param position where in a list the secret is: ` in entry 2 of 3`. */
function parseEntry(secret: Secret, position: string): SigningSecret {
  const cached = parsedSecrets.get(secret)
  if (cached !== undefined) return cached
  const bytes = decodeSecret(secret, position)
  const parsed: SigningSecret = {
    keys: [createSecretKey(bytes), createSecretKey(Buffer.from(secret))],
    isShort: bytes.byteLength < recommendedKeyBytes,
    isPublic: isPublicSecret(secret),
  }
  // Bounded, because a secret function may serve any number of tenants.
  if (parsedSecrets.size >= 256) parsedSecrets.clear()
  parsedSecrets.set(secret, parsed)
  return parsed
}

/** `verify` gets the secret as text on every call; parsing it costs as much as a MAC. */
const parsedSecrets = new Map<string, SigningSecret>()

/** The examples of Standard Webhooks and of Svix, which guides repeat. */
const publishedSecrets: ReadonlySet<string> = new Set([
  'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  'C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
])

/** One character repeated, as in `xxxx…` and in zeros (`AAAA…`), or a word that stands for a secret. */
const obviousSecret = /^(?:(.)\1*|(?:changeme|example|placeholder|secret)+)$/i

function isPublicSecret(secret: Secret): boolean {
  const base64 = secret.replace(/^whsec_/, '').replace(/=+$/, '')
  return publishedSecrets.has(base64) || obviousSecret.test(base64)
}

/**
 * Parses a secret or a list of secrets, keeping their order.
 *
 * @throws {ConfigurationError} `configuration_invalid`: none, more than eight, or one that is malformed.
 */
export function parseSecrets(secrets: Secret | readonly (Secret | undefined)[] | undefined): readonly SigningSecret[] {
  if (isUnsetSecret(secrets)) throw unsetSecret()
  if (!Array.isArray(secrets)) return [parseSecret(secrets as Secret)]
  const { length } = secrets
  checkWholeNumber('the number of secrets', length, { min: 1, max: maxSecrets })
  // Not `map`, which skips the holes of a sparse list.
  return Array.from(secrets, (secret, index) => parseEntry(secret, ` in entry ${index + 1} of ${length}`))
}

function decodeSecret(secret: unknown, position: string): Uint8Array {
  if (secret === undefined || secret === null || secret === '') throw unsetSecret(position)
  if (typeof secret !== 'string') {
    throw new ConfigurationError(`Expected the signing secret${position} to be a string, got ${typeof secret}.`)
  }
  const base64 = secret.replace(/^whsec_/, '')
  const bytes = Buffer.from(base64, 'base64')
  // Node's decoder skips what it does not understand, so the text must survive a round trip. Unpadded text is accepted
  // even if its last character has unused bits set, because shared test vectors do that.
  const isUnpadded = /^[A-Za-z0-9+/]+$/.test(base64) && base64.length % 4 !== 1
  const isBase64 = isUnpadded || base64 === bytes.toString('base64')
  const isEncodedTwice = isBase64 && bytes.subarray(0, 6).toString('latin1') === 'whsec_'
  if (isBase64 && bytes.byteLength >= minKeyBytes && !isEncodedTwice) return bytes
  const { problem, fix } = isEncodedTwice ? encodedTwice : describeMistake(secret, isBase64)
  throw new ConfigurationError(`The signing secret${position} ${problem}. ${fix ?? 'Copy it again.'}`)
}

interface Mistake {
  readonly problem: string
  /** @default 'Copy it again.' */
  readonly fix?: string
}

const encodedTwice: Mistake = {
  problem: 'is base64 of a whole whsec_… secret',
  fix: 'Decode it first. In Kubernetes, put plain text under stringData, or encode it only once.',
}

function describeMistake(secret: string, isBase64: boolean): Mistake {
  const mistake = mistakes.find(({ pattern }) => pattern.test(secret))
  if (mistake !== undefined) return mistake
  return { problem: isBase64 ? `is shorter than ${minKeyBytes} bytes` : 'is not base64, which has no "-" and no "_"' }
}

/** How secrets get damaged on the way, and what is mistaken for one. Outermost damage first. */
const mistakes: readonly (Mistake & { readonly pattern: RegExp })[] = [
  {
    pattern: /^(?:whsec_)?(?:<.*>|\.{2,}|…|x+|\*+|your.*|(?:change|replace)_?me|example|secret)$/i,
    problem: 'is a placeholder',
    fix: "Set the endpoint's own secret, which ScrapeNest shows once: whsec_ and base64.",
  },
  { pattern: /\s/, problem: 'contains white space' },
  { pattern: /\p{Cf}/u, problem: 'contains an invisible character, such as a zero-width space' },
  { pattern: /^["'`]|["'`]$/, problem: 'is in quotes' },
  {
    pattern: /^sn_(?:live|test)_/,
    problem: 'is an API key',
    fix: "Set the endpoint's signing secret instead: whsec_ and base64.",
  },
  { pattern: /^wh[sp]k_/, problem: 'is an asymmetric key' },
  { pattern: /.whsec_/, problem: 'has something before whsec_' },
  { pattern: /\\[nrt]/, problem: 'contains a backslash and a letter (\\n) instead of a line break' },
  { pattern: /%[0-9a-f]{2}/i, problem: 'is percent-encoded' },
]

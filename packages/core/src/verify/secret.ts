import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { checkWholeNumber } from '../check.ts'
import { ConfigurationError } from '../errors.ts'

/** A signing secret as ScrapeNest shows it: `whsec_` and base64. The prefix is optional. */
export type Secret = string

/** The result of a function that looks up secrets. `undefined`, `null`, `''` and `[]` mean that there is none. */
export type SecretResult = Secret | readonly Secret[] | null | undefined

/** Limits the cost of a forged delivery, up to four HMACs per secret: two keys, two header families. */
export const maxSecrets = 8

/** Shorter keys can be guessed; the Standard Webhooks specification asks for 24 bytes or more. */
const minKeyBytes = 16
const recommendedKeyBytes = 24

/**
 * A parsed secret, with the two HMAC keys it can stand for.
 *
 * ScrapeNest's guide decodes the base64 after `whsec_` (docs.scrapenest.com/webhooks/verifying-signatures). Its SDK uses
 * the text of the secret (scrapenest-sdk 1.2.0, webhooks.py). Anyone who has the secret can compute both keys, so
 * accepting both weakens nothing. See `docs/decisions/0003-two-keys-per-secret.md`.
 */
export interface SigningSecret {
  /** First the decoded key, which `sign` uses, then the text of the secret as a key. */
  readonly keys: readonly [decoded: KeyObject, text: KeyObject]
  readonly isShort: boolean
  /** Whether it is a placeholder or an example from a guide, which lets anyone sign with it. */
  readonly isPublic: boolean
}

/**
 * HMAC-SHA256 over the signed content: `id.timestamp.` and the body (Standard Webhooks, "Signature scheme").
 *
 * @returns the base64 text as bytes, which is cheaper than a binary digest (`bench/devices.ts`).
 */
export function hmac(key: KeyObject, prefix: string, body: Uint8Array): Buffer {
  return Buffer.from(createHmac('sha256', key).update(prefix).update(body).digest('base64'))
}

/** Generates a signing secret in ScrapeNest's format: `whsec_` and 32 random bytes as base64. */
export function generateSecret(): Secret {
  return `whsec_${randomBytes(32).toString('base64')}`
}

/**
 * Whether a `secret` option is unset, as a missing environment variable leaves it: `undefined`, `null`, `''`, `[]` or a
 * list of those.
 */
export function isUnsetSecret(secret: unknown): boolean {
  // Checks the length first: a secret function may return a list of any length.
  if (Array.isArray(secret)) return secret.length <= maxSecrets && secret.every(isUnsetSecret)
  return secret === undefined || secret === null || secret === ''
}

/**
 * The error for an unset secret.
 *
 * @param position its place in a list: ` in entry 2 of 3`.
 */
export function unsetSecret(position = ''): ConfigurationError {
  const question = position === '' ? 'Is process.env.SCRAPENEST_WEBHOOK_SECRET set?' : 'Is there an extra comma?'
  return new ConfigurationError(`No signing secret${position}. ${question}`)
}

/**
 * Parses one secret, strictly. If stray characters such as a line break or a quote were skipped, every delivery would
 * fail later, with no hint of the cause.
 *
 * @throws {ConfigurationError} `configuration_invalid`, with the fix. The message contains no part of the secret.
 */
export function parseSecret(secret: Secret): SigningSecret {
  return parseEntry(secret, '')
}

/** @param position its place in a list: ` in entry 2 of 3`. */
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

/** `verify` gets the secret as text on every call, and parsing it costs as much as a MAC. */
const parsedSecrets = new Map<string, SigningSecret>()

/** The examples of Standard Webhooks and Svix, which guides repeat. */
const publishedSecrets: ReadonlySet<string> = new Set([
  'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  'C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
])

/** One repeated character, such as `xxxx…` or zeros (`AAAA…`), or a placeholder word. */
const obviousSecret = /^(?:(.)\1*|(?:changeme|example|placeholder|secret)+)$/i

function isPublicSecret(secret: Secret): boolean {
  const base64 = secret.replace(/^whsec_/, '').replace(/=+$/, '')
  return publishedSecrets.has(base64) || obviousSecret.test(base64)
}

/**
 * Parses a secret or a list of secrets. Keeps their order.
 *
 * @throws {ConfigurationError} `configuration_invalid`: there is none, there are more than eight, or one is malformed.
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
  // Node's decoder skips invalid characters, so the text must survive a round trip. Unpadded text is accepted even if its
  // last character has unused bits set, because the shared test vectors contain such secrets.
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
  problem: 'is the base64 encoding of a whole whsec_… secret',
  fix: 'Decode it first. In Kubernetes, put plain text under stringData, or encode it only once.',
}

function describeMistake(secret: string, isBase64: boolean): Mistake {
  const mistake = mistakes.find(({ pattern }) => pattern.test(secret))
  if (mistake !== undefined) return mistake
  return {
    problem: isBase64 ? `is shorter than ${minKeyBytes} bytes` : 'is not base64 ("-" and "_" are not allowed)',
  }
}

/** How secrets get damaged, and what is mistaken for one. The outermost damage comes first. */
const mistakes: readonly (Mistake & { readonly pattern: RegExp })[] = [
  {
    pattern: /^(?:whsec_)?(?:<.*>|\.{2,}|…|x+|\*+|your.*|(?:change|replace)_?me|example|secret)$/i,
    problem: 'is a placeholder',
    fix: "Set the endpoint's own secret, which ScrapeNest shows once: whsec_ and base64.",
  },
  {
    pattern: /,\s*$|whsec_[^,]*,\s*whsec_/,
    problem: 'is a comma-separated list',
    fix: "Pass its entries, as in secret: list.split(',').",
  },
  {
    pattern: /^\s|\s$/,
    problem: 'contains whitespace at the start or the end',
    fix: 'Remove it. A secret that is read from a file often ends with a line break: trim it.',
  },
  { pattern: /\s/, problem: 'contains whitespace' },
  { pattern: /\p{Cf}/u, problem: 'contains an invisible character, such as a zero-width space' },
  { pattern: /^["'`]|["'`]$/, problem: 'is in quotes', fix: 'Remove them. Docker keeps the quotes of an --env-file.' },
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

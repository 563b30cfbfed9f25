import { ConfigurationError } from '@scrapenest-webhooks/core'

/**
 * Parses a SHA-256 in hex or base64, with or without a `sha256:` prefix. ScrapeNest does not document which form it sends.
 *
 * @returns lowercase hex, or `undefined` for anything else.
 */
export function parseSha256(text: string): string | undefined {
  // The API's fields are typed but not checked.
  if (typeof text !== 'string') return undefined
  const value = text.trim().replace(/^sha-?256[:=-]/i, '')
  if (/^[0-9a-f]{64}$/i.test(value)) return value.toLowerCase()
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(value)) return undefined
  return Buffer.from(value, 'base64url').toString('hex')
}

/** @throws {ConfigurationError} `configuration_invalid` */
export function checkSha256(text: string): string {
  const hex = parseSha256(text)
  if (hex !== undefined) return hex
  throw new ConfigurationError('Expected sha256 to be 64 characters of hex or 44 of base64.')
}

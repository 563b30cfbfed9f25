import { ConfigurationError, isWebhookError } from '@scrapenest-webhooks/core'
import { InboxUnavailableError } from '@scrapenest-webhooks/inbox'

/** SQLSTATEs of a full disk and of a read-only server. */
const faultOf = { '53100': 'full', '25006': 'read_only' } as const

/**
 * Refusals that last until their cause is fixed, by the beginning of the SQLSTATE, with the fix. Classes:
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const fixes: readonly (readonly [beginning: string, fix: string])[] = [
  [
    '42501',
    "Grant the role of this connection all privileges on pg-boss's schema. For the first start, and the first start after " +
      'an update of pg-boss, the role must own the schema or be allowed to create it.',
  ],
  ['28', 'Fix the user name and the password in connectionString, or pg_hba.conf on the server.'],
  ['3D000', 'Create the database, or fix its name in connectionString.'],
  [
    '3F000',
    'Create the schema with CREATE SCHEMA and grant the role of this connection USAGE and CREATE on it, or remove createSchema: false.',
  ],
  ['42601', 'If schema is an SQL keyword, such as order or user, set a different schema.'],
  [
    '42',
    'The tables in the schema do not match the installed pg-boss. Migrate them with pg-boss, or set a different schema.',
  ],
]

/** Fixes for errors of pg-boss and `pg` that have no code, by message. */
const fixesByMessage: readonly (readonly [message: RegExp, fix: string])[] = [
  [
    /requires migrations|cannot migrate|is not installed/i,
    "Create or migrate pg-boss's tables, for example with `pg-boss migrate`, or set migrate: true on your PgBoss.",
  ],
  [/^SASL/, 'Set the password in connectionString.'],
  [/does not support SSL|certificate/i, 'Fix the TLS parameters of connectionString.'],
]

/**
 * Converts an error of PostgreSQL, its client or pg-boss to an inbox error. A lasting refusal has a `ConfigurationError` as
 * its cause, and its message promises no retry.
 *
 * @param secrets strings that must not be printed.
 */
export function toInboxError(error: unknown, secrets: readonly string[] = []): Error {
  if (isWebhookError(error)) return error.code === 'configuration_invalid' ? cannotOpen(error.message, error) : error
  const cause = toSafeError(error, secrets)
  const { code = '', message } = cause
  const fix = fixOf(code, message)
  if (fix !== undefined) {
    const text = `PostgreSQL refused: ${message}. ${fix}`
    return cannotOpen(text, new ConfigurationError(text, { cause }))
  }
  // Only this data is refused, and a retry would be refused too.
  if (isDataRefusal(error)) return new InboxUnavailableError('io_error', `PostgreSQL refused: ${message}.`, cause)
  const fault = faultOf[code as keyof typeof faultOf] ?? 'io_error'
  return new InboxUnavailableError(fault, `PostgreSQL is unavailable: ${message}. The inbox keeps trying.`, cause)
}

/** The error for something missing or forbidden that storing events requires. */
export function cannotOpen(message: string, cause: Error): InboxUnavailableError {
  return new InboxUnavailableError('cannot_open', message, cause)
}

/** Something that was removed while in use: a queue, or the whole schema. */
export type Loss = 'queue' | 'schema'

/** What is gone, according to an error of pg-boss or PostgreSQL. Our own errors have been examined already. */
export function lossIn(error: unknown): Loss | undefined {
  if (isWebhookError(error)) return undefined
  const { code, message, constraint } = Object(error) as { code?: unknown; message?: unknown; constraint?: unknown }
  if (/queue .*does not exist/i.test(String(message)) || constraint === 'q_fkey') return 'queue'
  // A missing table, schema or function.
  return code === '42P01' || code === '3F000' || code === '42883' ? 'schema' : undefined
}

/** Whether PostgreSQL cannot store this data, because it is invalid or exceeds a limit. */
export function isDataRefusal(error: unknown): boolean {
  return /^(22|54)/.test(String(Object(error).code))
}

/**
 * Copies an error without fields that may contain data or credentials. PostgreSQL quotes rows in `detail` and `where`, and
 * Node quotes a URL in `input`.
 */
export function toSafeError(error: unknown, secrets: readonly string[]): Error & { readonly code?: string } {
  const { name, message, code } = Object(error) as { name?: unknown; message?: unknown; code?: unknown }
  const safe = new Error(withoutSecrets(textOf(message) ?? textOf(code) ?? 'it failed without a message', secrets))
  // The copy's own stack would only show this function.
  safe.stack = `${textOf(name) ?? 'Error'}: ${safe.message}`
  return Object.assign(safe, { name: textOf(name) ?? 'Error' }, typeof code === 'string' ? { code } : {})
}

function fixOf(code: string, message: string): string | undefined {
  const byMessage = fixesByMessage.find(([pattern]) => pattern.test(message))
  if (byMessage !== undefined) return byMessage[1]
  return /^[0-9A-Z]{5}$/.test(code) ? fixes.find(([beginning]) => code.startsWith(beginning))?.[1] : undefined
}

function withoutSecrets(text: string, secrets: readonly string[]): string {
  const replaced = secrets.reduce((safe, secret) => safe.replaceAll(secret, '***'), text)
  return replaced
    .replace(/([a-z][a-z0-9+.-]*:\/\/)\S*@/gi, '$1***@')
    .replace(/(password|passphrase)\s*=\s*[^\s&'"]+/gi, '$1=***')
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value.replace(/\.$/, '') : undefined
}

import { ConfigurationError, isWebhookError } from '@scrapenest-webhooks/core'
import { InboxUnavailableError } from '@scrapenest-webhooks/inbox'

/** SQLSTATEs of a full disk and of a read-only server. */
const faultOf = { '53100': 'full', '25006': 'read_only' } as const

/**
 * Refusals that last until someone fixes their cause, by the beginning of the SQLSTATE, and how to fix it. Classes:
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const fixes: readonly (readonly [beginning: string, fix: string])[] = [
  [
    '42501',
    'Grant the role of this connection all rights in the schema of pg-boss; the first start, and the first after an update ' +
      'of pg-boss, must own it or be allowed to create it.',
  ],
  ['28', 'Fix the user name and the password in connectionString, or pg_hba.conf on the server.'],
  ['3D000', 'Create the database, or fix its name in connectionString.'],
  [
    '3F000',
    'Create the schema with CREATE SCHEMA, and grant the role of this connection USAGE and CREATE on it; or remove createSchema: false.',
  ],
  [
    '42',
    'The tables in the schema are not those of the installed pg-boss. Migrate them with pg-boss, or set another schema.',
  ],
]

/** Fixes for errors of pg-boss and `pg` that have a message but no code. */
const fixesByMessage: readonly (readonly [message: RegExp, fix: string])[] = [
  [
    /requires migrations|cannot migrate|is not installed/i,
    'Create or migrate the tables of pg-boss, for example with its command `pg-boss migrate`, or let it do so: migrate: true.',
  ],
  [/^SASL/, 'Set the password in connectionString.'],
  [/does not support SSL|certificate/i, 'Fix the TLS parameters of connectionString.'],
]

/**
 * Converts what PostgreSQL, its client or pg-boss threw to the inbox's own error. A refusal that lasts has a
 * `ConfigurationError` as its cause and promises no retry.
 *
 * @param secrets texts that must not be printed.
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
  // Only these data are refused, and a retry would be refused too.
  if (isDataRefusal(error)) return new InboxUnavailableError('io_error', `PostgreSQL refused: ${message}.`, cause)
  const fault = faultOf[code as keyof typeof faultOf] ?? 'io_error'
  return new InboxUnavailableError(fault, `PostgreSQL is unavailable: ${message}. The inbox keeps trying.`, cause)
}

/** Something that storing events requires is missing or not allowed. */
export function cannotOpen(message: string, cause: Error): InboxUnavailableError {
  return new InboxUnavailableError('cannot_open', message, cause)
}

/** What was removed while in use: a queue, or the whole schema. */
export type Loss = 'queue' | 'schema'

/** What is gone, according to an error of pg-boss or PostgreSQL. Errors of ours have been examined before. */
export function lossIn(error: unknown): Loss | undefined {
  if (isWebhookError(error)) return undefined
  const { code, message, constraint } = Object(error) as { code?: unknown; message?: unknown; constraint?: unknown }
  if (/queue .*does not exist/i.test(String(message)) || constraint === 'q_fkey') return 'queue'
  // A missing table, schema or function.
  return code === '42P01' || code === '3F000' || code === '42883' ? 'schema' : undefined
}

/** Whether PostgreSQL cannot store these data: they are invalid, or exceed a limit. */
export function isDataRefusal(error: unknown): boolean {
  return /^(22|54)/.test(String(Object(error).code))
}

/**
 * A copy of the error without fields that may contain data or credentials: PostgreSQL quotes rows in `detail` and `where`,
 * Node.js a URL in `input`.
 */
export function toSafeError(error: unknown, secrets: readonly string[]): Error & { readonly code?: string } {
  const { name, message, code } = Object(error) as { name?: unknown; message?: unknown; code?: unknown }
  const safe = new Error(withoutSecrets(textOf(message) ?? textOf(code) ?? 'it failed without a message', secrets))
  // Its own stack would only show this function.
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

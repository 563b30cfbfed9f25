import { types } from 'node:util'
import { ConfigurationError, isWebhookError } from '@scrapenest-webhooks/core'
import { InboxUnavailableError } from '@scrapenest-webhooks/inbox'

/** Replies that retries cannot change, and how to fix their cause. */
const permanentRefusals: readonly { readonly reply: RegExp; readonly fix: string }[] = [
  {
    reply: /\bNOAUTH\b/,
    fix: 'Redis requires a password. Add it to the connection, as in redis://:password@host:6379.',
  },
  {
    reply: /\bWRONGPASS\b|\bERR invalid password\b/,
    fix: 'Redis rejects the user name or password of the connection. Correct them. In a URL, percent-encode them.',
  },
  {
    reply: /\bNOPERM\b|The user executing the script can't/,
    fix: 'The Redis user lacks a permission that BullMQ needs. Allow all commands on the keys of the prefix.',
  },
  {
    reply: /\b(CROSSSLOT|MOVED)\b/,
    fix:
      'Redis is a cluster. Pass an ioredis Cluster client as the connection. Set a prefix with a hash tag, such as ' +
      "prefix: '{bull}', to keep all keys of a queue on one node.",
  },
  {
    reply: /\bRedis version needs to be\b/,
    fix: 'This version of Redis is too old for BullMQ. Use Redis 6.2 or later.',
  },
  { reply: /\bERR unknown command\b/, fix: 'Redis lacks a command that BullMQ needs. Use Redis 6.2 or later.' },
  {
    reply: /\bDB index is out of range\b/,
    fix: 'This Redis has no database with that number. Correct the database of the connection, or increase databases in redis.conf.',
  },
  {
    reply: /certificate/i,
    fix: 'The certificate of Redis is not trusted. Pass its CA: connection: { url, tls: { ca } }. If it has expired, renew it.',
  },
  {
    reply: /could not load the optional 'ioredis'/,
    fix: 'The ioredis package is missing. Install it, or pass a client as the connection.',
  },
]

/** Whether this Redis has become a replica. A new connection may lead to the new primary. */
export function isDemotion(error: unknown): boolean {
  return /\bREADONLY\b/.test(textOf(error))
}

/** Whether the database of the connection does not exist. ioredis would go on with database 0. */
export function isWrongDatabase(error: unknown): boolean {
  return /\bDB index is out of range\b/.test(textOf(error))
}

/** Whether a command could not be sent. Such an error does not say why. */
export function isDisconnection(error: unknown): boolean {
  return /Stream isn't writeable|Connection is closed|max retries per request/.test(textOf(error))
}

/** Converts an error from Redis or its client to an inbox error, without credentials. */
export function unavailable(error: unknown): Error {
  if (isWebhookError(error)) return error
  const text = safeText(textOf(error))
  const cause = safeCause(error)
  const fix = permanentFix(text)
  if (fix !== undefined) {
    const configuration = new ConfigurationError(`${fix} It answered: ${text}`, cause && { cause })
    return new InboxUnavailableError(
      'cannot_open',
      `Redis cannot be used with this configuration: ${fix}`,
      configuration,
    )
  }
  if (/\bOOM\b/.test(text)) {
    const message = 'Redis has used up its maxmemory. Increase it, or purge done events.'
    return new InboxUnavailableError('full', message, cause)
  }
  if (/\b(READONLY|MISCONF|NOREPLICAS)\b/.test(text)) {
    return new InboxUnavailableError('read_only', `Redis refuses writes: ${text}`, cause)
  }
  const problem = isReply(error) ? `Redis refused a command: ${text}` : `Redis cannot be reached: ${text}`
  return new InboxUnavailableError('io_error', `${problem.replace(/\.+$/, '')}. The inbox keeps trying.`, cause)
}

function permanentFix(text: string): string | undefined {
  return permanentRefusals.find(({ reply }) => reply.test(text))?.fix
}

function textOf(error: unknown): string {
  return types.isNativeError(error) && error.message !== '' ? error.message : 'it did not answer in time'
}

/** Checks the name, because `instanceof` would require the client's package. */
function isReply(error: unknown): boolean {
  return types.isNativeError(error) && error.name === 'ReplyError'
}

/**
 * Copies an error without secrets. ioredis attaches the command's arguments, and those of AUTH are the user name and
 * password.
 */
function safeCause(error: unknown): Error | undefined {
  if (!types.isNativeError(error)) return undefined
  const cause = new Error(safeText(error.message))
  cause.name = error.name
  cause.stack = `${error.name}: ${cause.message}`
  const { code } = error as { code?: unknown }
  return typeof code === 'string' || typeof code === 'number' ? Object.assign(cause, { code }) : cause
}

/**
 * Removes secrets from a message: Redis quotes the arguments of unknown commands, and Node quotes a URL that was passed as a
 * host. Also removes the hash of the failed script, which helps no one.
 */
function safeText(text: string): string {
  return text
    .replace(/, with args beginning with:.*/s, '')
    .replace(/\.? script: [0-9a-f]+, on @user_script.*/s, '.')
    .replace(/\S*:\/\/\S*|\S+@\S+/g, '(hidden)')
}

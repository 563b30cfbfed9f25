import { types } from 'node:util'
import { ConfigurationError, isWebhookError } from '@scrapenest-webhooks/core'
import { InboxUnavailableError } from '@scrapenest-webhooks/inbox'

/** Replies that no retry changes, and how to fix their cause. */
const permanentRefusals: readonly { readonly reply: RegExp; readonly fix: string }[] = [
  {
    reply: /\bNOAUTH\b/,
    fix: 'Redis requires a password. Add it to the connection, for example redis://:password@host:6379.',
  },
  {
    reply: /\bWRONGPASS\b|\bERR invalid password\b/,
    fix: 'Redis rejects the user name or the password of the connection. Correct them, percent-encoded in a URL.',
  },
  {
    reply: /\bNOPERM\b|The user executing the script can't/,
    fix: 'The Redis user lacks a right that BullMQ needs. Allow it all commands on the keys of the prefix.',
  },
  {
    reply: /\b(CROSSSLOT|MOVED)\b/,
    fix:
      'Redis is a cluster. Pass an ioredis Cluster client as the connection, and a prefix with a hash tag, such as ' +
      "prefix: '{bull}', so that all keys of a queue are on one node.",
  },
  {
    reply: /\bRedis version needs to be\b/,
    fix: 'Redis is older than BullMQ supports. Use Redis 6.2 or later.',
  },
  { reply: /\bERR unknown command\b/, fix: 'Redis lacks a command that BullMQ needs. Use Redis 6.2 or later.' },
  {
    reply: /could not load the optional 'ioredis'/,
    fix: 'The package ioredis is missing. Install it, or pass a client as the connection.',
  },
]

/** Whether this Redis has become a replica. A new connection may lead to the new primary. */
export function isDemotion(error: unknown): boolean {
  return /\bREADONLY\b/.test(textOf(error))
}

/** Whether a command could not be sent, which says nothing about why. */
export function isDisconnection(error: unknown): boolean {
  return /Stream isn't writeable|Connection is closed|max retries per request/.test(textOf(error))
}

/** Converts what Redis or its client threw to the inbox's own error, without credentials. */
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
  return new InboxUnavailableError('io_error', `${problem}. The inbox keeps trying.`, cause)
}

function permanentFix(text: string): string | undefined {
  return permanentRefusals.find(({ reply }) => reply.test(text))?.fix
}

function textOf(error: unknown): string {
  return types.isNativeError(error) && error.message !== '' ? error.message : 'it did not answer in time'
}

/** Checks the name, because `instanceof` would need the client's own package. */
function isReply(error: unknown): boolean {
  return types.isNativeError(error) && error.name === 'ReplyError'
}

/**
 * A copy of the error without secrets. ioredis attaches the arguments of the command, and those of AUTH are the user name
 * and the password.
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
 * Removes secrets from a message: Redis quotes the arguments of a command that it does not know, and Node quotes a URL that
 * was passed as a host. Also removes the hash of the script that failed, which helps no one.
 */
function safeText(text: string): string {
  return text
    .replace(/, with args beginning with:.*/s, '')
    .replace(/\.? script: [0-9a-f]+, on @user_script.*/s, '.')
    .replace(/\S*:\/\/\S*|\S+@\S+/g, '(hidden)')
}

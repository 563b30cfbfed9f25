import { ConfigurationError, isWebhookError } from '@scrapenest-webhooks/core'
import { type InboxFault, InboxUnavailableError } from '../errors.ts'

/** Primary result codes for faults of the file, not of the statement: https://sqlite.org/rescode.html. */
const faultOfResultCode: { readonly [code: number]: InboxFault } = {
  3: 'read_only', // SQLITE_PERM
  5: 'locked', // SQLITE_BUSY
  6: 'locked', // SQLITE_LOCKED
  7: 'io_error', // SQLITE_NOMEM
  8: 'read_only', // SQLITE_READONLY
  10: 'io_error', // SQLITE_IOERR
  11: 'corrupt', // SQLITE_CORRUPT
  13: 'full', // SQLITE_FULL
  14: 'cannot_open', // SQLITE_CANTOPEN
  15: 'locked', // SQLITE_PROTOCOL
  22: 'io_error', // SQLITE_NOLFS
  23: 'cannot_open', // SQLITE_AUTH
  26: 'corrupt', // SQLITE_NOTADB
}

const faultOfSystemCode: { readonly [code: string]: InboxFault } = {
  EACCES: 'read_only',
  EDQUOT: 'full',
  EEXIST: 'cannot_open',
  EISDIR: 'cannot_open',
  ENOENT: 'cannot_open',
  ENOSPC: 'full',
  ENOTDIR: 'cannot_open',
  EPERM: 'read_only',
  EROFS: 'read_only',
}

const messages: { readonly [Fault in InboxFault]: string } = {
  cannot_open: 'cannot be opened. Its directory must exist and be writable by this process.',
  corrupt:
    'is damaged, or not an SQLite database. Restore it from a backup, or move it away with its -wal and -shm files to start a new one. Nothing was changed.',
  full: 'cannot grow: the disk, the quota or the database is full. Free some space on the disk, as much as the -wal file takes if possible. Then purge events, and the file shrinks.',
  io_error: 'cannot be read or written: the disk or the file system failed.',
  locked: 'is locked by another process that is writing, or that has opened it exclusively.',
  log_deleted:
    'lost its -wal or -shm file while it was open. Its events were saved into the file itself. Find out what deletes these files: they are part of the database.',
  moved:
    'was moved, deleted or replaced while it was open. The next delivery starts a new file, or uses the one that replaced it; put the old one back to keep its events.',
  read_only: 'cannot be written. This process needs write permission for the file and for its directory.',
}

/** Whether the file or another process is at fault, not the statement that failed. */
export function isFileFault(error: unknown): boolean {
  return isWebhookError(error) || faultIn(error) !== undefined
}

/**
 * Converts what SQLite or the file system threw to the inbox's own error; an error of ours is returned unchanged. An error
 * that no retry can fix, such as a permission denied by Node's permission model, has a `ConfigurationError` as its cause.
 */
export function toInboxError(error: unknown, file: string): Error {
  if (isWebhookError(error)) return error
  const fault = faultIn(error)
  if (fault !== undefined) return inboxFault(fault, file, error)
  const { code, message } = (error ?? {}) as { readonly code?: unknown; readonly message?: unknown }
  const detail = typeof message === 'string' ? message : String(code ?? 'unknown error')
  const cause = new ConfigurationError(`The inbox file ${file} cannot be used: ${detail}`, { cause: error })
  return new InboxUnavailableError('cannot_open', `The inbox file ${file} ${messages.cannot_open}`, cause)
}

export function inboxFault(fault: InboxFault, file: string, cause?: unknown): InboxUnavailableError {
  const message = `The inbox file ${file} ${messages[fault]}`
  // A damaged file stays damaged, so `start` rejects. A directory may still be mounted, and a permission granted.
  return new InboxUnavailableError(
    fault,
    message,
    fault === 'corrupt' ? new ConfigurationError(message, { cause }) : cause,
  )
}

export function isLocked(error: unknown): boolean {
  return error instanceof InboxUnavailableError && error.fault === 'locked'
}

export function isFull(error: unknown): boolean {
  return error instanceof InboxUnavailableError && error.fault === 'full'
}

function faultIn(error: unknown): InboxFault | undefined {
  const { errcode, code } = (error ?? {}) as { readonly errcode?: unknown; readonly code?: unknown }
  // The low byte is the primary code; node:sqlite reports the extended one.
  if (typeof errcode === 'number') return faultOfResultCode[errcode & 0xff]
  return typeof code === 'string' && Object.hasOwn(faultOfSystemCode, code) ? faultOfSystemCode[code] : undefined
}

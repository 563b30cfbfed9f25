import { ConfigurationError, isWebhookError } from '@scrapenest-webhooks/core'
import { type InboxFault, InboxUnavailableError } from '../errors.ts'

/** Primary result codes that blame the file rather than the statement: https://sqlite.org/rescode.html. */
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
  cannot_open:
    'cannot be opened. It must be a file, not a directory, and its directory must exist and be writable by this process.',
  corrupt:
    'is damaged or is not an SQLite database. Nothing was changed. Restore it from a backup, or move it and its -wal and -shm files away to start with a new one.',
  full: 'cannot grow: the disk, the quota or the database is full. Free some disk space, ideally as much as the -wal file takes up. Then purge events to shrink the file.',
  io_error: 'cannot be read or written: the disk or the file system failed.',
  locked: 'is locked by another process that is writing to it or has opened it exclusively.',
  log_deleted:
    'lost its -wal or -shm file while it was open. Its events were saved to the file itself. Find out what deletes these files: they are part of the database.',
  moved:
    'was moved, deleted or replaced while it was open. The next delivery uses the file that replaced it, or starts a new one. Put the old file back to keep its events.',
  read_only: 'cannot be written. This process needs write permission for the file and for its directory.',
}

/** Whether the file or another process is at fault rather than the statement that failed. */
export function isFileFault(error: unknown): boolean {
  return isWebhookError(error) || faultIn(error) !== undefined
}

/**
 * Converts an error from SQLite or the file system to an inbox error. Our own errors are returned unchanged. If no retry can
 * help, for example when Node's permission model denies access, the cause is a `ConfigurationError`.
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
  // A damaged file stays damaged, so `start` rejects. The other faults may pass: a directory is mounted, a permission
  // granted.
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

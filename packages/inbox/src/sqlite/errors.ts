import { isWebhookError } from '@scrapenest-webhooks/core'
import { type InboxFault, InboxUnavailableError } from '../errors.ts'

// Primary result codes, https://sqlite.org/rescode.html
const faultOf: { readonly [code: number]: InboxFault } = {
  3: 'read_only', // SQLITE_PERM
  5: 'locked', // SQLITE_BUSY
  6: 'locked', // SQLITE_LOCKED
  8: 'read_only', // SQLITE_READONLY
  10: 'io_error', // SQLITE_IOERR
  11: 'corrupt', // SQLITE_CORRUPT
  13: 'full', // SQLITE_FULL
  14: 'cannot_open', // SQLITE_CANTOPEN
  23: 'cannot_open', // SQLITE_AUTH
  26: 'corrupt', // SQLITE_NOTADB
}

const messages: { readonly [Fault in InboxFault]: string } = {
  cannot_open: 'cannot be opened. Its directory must exist and this process must be allowed to write there.',
  corrupt:
    'is damaged, or is no SQLite database. Restore it from a backup, or move it away with its -wal and -shm files to begin a new one; nothing was changed.',
  full: 'cannot grow: the disk, the quota or the database is full. Free some space, or purge events.',
  io_error: 'cannot be read or written: the disk or the file system failed.',
  locked: 'is locked by another process that is writing, or that keeps it to itself.',
  moved:
    'was moved or deleted while it was open. The next delivery begins a new one; put the old one back to keep its events.',
  read_only: 'cannot be written. This process needs write permission for the file and for its directory.',
}

/** What SQLite or the file system said, as an error of ours; an error that is neither is given back as it is. */
export function toInboxError(error: unknown, file: string): unknown {
  if (isWebhookError(error)) return error
  const fault = faultIn(error)
  return fault === undefined ? error : inboxFault(fault, file, error)
}

export function inboxFault(fault: InboxFault, file: string, cause?: unknown): InboxUnavailableError {
  return new InboxUnavailableError(fault, `The inbox file ${file} ${messages[fault]}`, cause)
}

export function isLocked(error: unknown): boolean {
  return error instanceof InboxUnavailableError && error.fault === 'locked'
}

function faultIn(error: unknown): InboxFault | undefined {
  const { errcode, code } = (error ?? {}) as { readonly errcode?: unknown; readonly code?: unknown }
  // The low byte is the primary code; node:sqlite gives the extended one.
  if (typeof errcode === 'number') return faultOf[errcode & 0xff] ?? 'io_error'
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'full'
  if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM') return 'read_only'
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR' || code === 'EEXIST') return 'cannot_open'
  return undefined
}

import type { DatabaseSync } from 'node:sqlite'
import { ConfigurationError } from '@scrapenest-webhooks/core'
import { events } from './migrations/0001-events.ts'
import { identities } from './migrations/0002-identities.ts'
import { scopes } from './migrations/0003-scopes.ts'

/** In order. The file's `user_version` is the number of migrations applied. A published migration never changes. */
const migrations: readonly string[] = [events, identities, scopes]

/** "SNIB" in ASCII. Distinguishes an inbox from any other SQLite database. */
const applicationId = 0x534e4942

/**
 * Migrates a file to the schema of this release. If several processes try at once, one migrates and the others do nothing.
 *
 * @throws {ConfigurationError} like `checkOwnership`
 */
export function migrate(db: DatabaseSync, file: string): void {
  if (checkOwnership(db, file) === migrations.length) return
  db.exec('BEGIN IMMEDIATE')
  try {
    // Checked again under the lock, because another process may have been faster.
    for (const migration of migrations.slice(checkOwnership(db, file))) db.exec(migration)
    db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${migrations.length}; COMMIT`)
  } catch (error) {
    rollBack(db)
    throw error
  }
}

/** Does nothing if the error that led here has already ended the transaction. */
export function rollBack(db: DatabaseSync): void {
  try {
    db.exec('ROLLBACK')
  } catch {}
}

/**
 * Returns the schema version of a file. Called before anything is changed, because the file may not be ours.
 *
 * @throws {ConfigurationError} `configuration_invalid`: the file belongs to a newer release or to another application.
 */
export function checkOwnership(db: DatabaseSync, file: string): number {
  const version = numberOf(db, 'user_version')
  const isOurs = numberOf(db, 'application_id') === applicationId
  const isEmpty = numberOf(db, 'schema_version') === 0
  if (!isOurs && !isEmpty) {
    throw new ConfigurationError(
      `The file ${file} is the database of another application. Use a separate file for the inbox.`,
    )
  }
  if (version > migrations.length) {
    throw new ConfigurationError(
      `The inbox file ${file} was written by a newer release (schema ${version}; this release supports up to ` +
        `${migrations.length}). Nothing was changed. Update @scrapenest-webhooks/inbox, or use another file.`,
    )
  }
  return version
}

function numberOf(db: DatabaseSync, pragma: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${pragma}`).get() ?? {})[0])
}

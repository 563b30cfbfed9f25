import { ConfigurationError } from '@scrapenest-webhooks/core'
// A namespace import, because importing a name that an older version lacks is a SyntaxError that this file could not
// explain.
import * as installed from 'pg-boss'

/** The installed pg-boss. */
export type PgBossLibrary = typeof installed

/**
 * Returns the installed pg-boss.
 *
 * @throws {ConfigurationError} `configuration_invalid`: its version is not supported.
 */
export function supportedPgBoss(): PgBossLibrary {
  checkPgBoss((installed.PgBoss as typeof installed.PgBoss | undefined)?.prototype)
  return installed
}

/**
 * Checks for a method rather than a version, because the application's PgBoss may come from another copy. `isTimekeeping`
 * was added together with `complete` and `fail` for one attempt (12.35.0). Earlier versions cannot end an attempt this way.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 */
export function checkPgBoss(boss: unknown): void {
  if (typeof Object(boss).isTimekeeping === 'function') return
  throw new ConfigurationError(
    'Expected pg-boss 12.35.0 or a later 12.x, got an older version or something else. ' +
      'Run `npm install pg-boss@^12.35.0`, which requires Node 22.13 or later.',
  )
}

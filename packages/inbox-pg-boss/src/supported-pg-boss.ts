import { ConfigurationError } from '@scrapenest-webhooks/core'
// A namespace: importing a name that an older version lacks would be a SyntaxError, before this file could explain it.
import * as installed from 'pg-boss'

/** pg-boss, as installed. */
export type PgBossLibrary = typeof installed

/**
 * The installed pg-boss.
 *
 * @throws {ConfigurationError} `configuration_invalid`: its version is not supported.
 */
export function supportedPgBoss(): PgBossLibrary {
  checkPgBoss((installed.PgBoss as typeof installed.PgBoss | undefined)?.prototype)
  return installed
}

/**
 * Checks the version by a method, because a PgBoss of the application may come from another copy. `isTimekeeping` is as
 * old as `complete` and `fail` for one attempt (12.35.0). Earlier versions reject every ending of an attempt.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 */
export function checkPgBoss(boss: unknown): void {
  if (typeof Object(boss).isTimekeeping === 'function') return
  throw new ConfigurationError(
    'Expected pg-boss 12.35.0 or a later 12.x, found an older version or something else. ' +
      'Run `npm install pg-boss@^12.35.0`; it needs Node.js 22.13 or later.',
  )
}

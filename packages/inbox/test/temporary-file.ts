import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A path for an inbox file in a temporary directory, which is deleted after the test. */
export function temporaryFile(): string {
  const directory = mkdtempSync(join(tmpdir(), 'scrapenest-inbox-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return join(directory, 'webhooks.db')
}

import { ConfigurationError } from '@scrapenest-webhooks/core'
import { pageUrl } from '@scrapenest-webhooks/core/adapter'
import { CommanderError } from 'commander'
import { afterEach, expect, it, vi } from 'vitest'
import { exitCodes } from '../../src/exit-codes.ts'
import { reportFailure } from '../../src/terminal/report-failure.ts'
import { UsageError } from '../../src/usage-error.ts'

afterEach(() => vi.restoreAllMocks())

it.each([
  [new UsageError('Pass --file.'), exitCodes.usage, 'error: Pass --file.\n'],
  [new ConfigurationError('No.'), exitCodes.usage, `error: No. ${pageUrl('errors/configuration_invalid.md')}\n`],
  [Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }), exitCodes.failed, 'error: refused (ECONNREFUSED)\n'],
  [new Error('one\n✓ two'), exitCodes.failed, 'error: one\n  ✓ two\n'],
  ['a string', exitCodes.failed, 'error: a string\n'],
  [new CommanderError(1, 'commander.unknownOption', 'printed already'), exitCodes.usage, ''],
  [new CommanderError(0, 'commander.help', 'help was asked for'), exitCodes.ok, ''],
])('of %s decides about the exit code and the text', (error, exitCode, text) => {
  let written = ''
  vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    written += chunk
    return true
  })
  expect(reportFailure(error)).toBe(exitCode)
  expect(written).toBe(text)
})

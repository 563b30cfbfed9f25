import { expect, it, onTestFinished, vi } from 'vitest'
import { foreignEnvironment } from './consumer.ts'
import { importsIn } from './installed-package.ts'

it('finds every form of import in a packed file', () => {
  const text = [
    "import { verify } from '@scrapenest-webhooks/core'",
    'import "raw-body";',
    "export * from './shared.js'",
    "const pg = await import('pg-boss')",
  ]
  expect(importsIn(text.join('\n'))).toEqual(['@scrapenest-webhooks/core', 'raw-body', './shared.js', 'pg-boss'])
})

it('gives installed packages no identity of a CI job, with which npm would sign what it publishes', () => {
  const identity = { GITHUB_ACTIONS: 'true', ACTIONS_ID_TOKEN_REQUEST_URL: 'https://token.example', RUNNER_OS: 'Linux' }
  for (const [name, value] of Object.entries(identity)) vi.stubEnv(name, value)
  onTestFinished(() => void vi.unstubAllEnvs())

  const names = Object.keys(foreignEnvironment())

  expect(names.filter((name) => Object.hasOwn(identity, name))).toEqual([])
  expect(names).toContain('PATH')
})

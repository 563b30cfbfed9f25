import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = join(here, '../..')
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
const compile = (...options: string[]): string =>
  execFileSync(process.execPath, [compiler, '--project', 'tsconfig.tests.json', ...options], {
    cwd: root,
    encoding: 'utf8',
  })

describe('the type tests', () => {
  const typeTests = readdirSync(here).filter((name) => name.endsWith('.test-d.ts'))

  it('are the expected files', () => {
    expect(typeTests).toEqual(['client-errors.test-d.ts', 'events.test-d.ts', 'hosts.test-d.ts', 'schemas.test-d.ts'])
  })

  it('are all compiled by `tsc -b`', () => {
    const compiled = compile('--listFilesOnly').split(/\r?\n/)
    for (const name of typeTests)
      expect(compiled).toContainEqual(expect.stringMatching(new RegExp(`test/types/${name}$`)))
  })

  it('are compiled with the strictest flags', () => {
    const { compilerOptions } = JSON.parse(compile('--showConfig'))
    expect(compilerOptions).toMatchObject({
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
    })
  })
})

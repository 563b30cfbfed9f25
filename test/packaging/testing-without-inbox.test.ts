import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { repository } from '../docs/code-blocks.ts'
import { packAll, runIn, temporaryFolder } from './consumer.ts'
import { oncePerRun } from './once-per-run.ts'

/** A user's project that tests handlers but has no inbox installed. */
let project: string

beforeAll(async () => {
  project = await temporaryFolder()
  const packed = await oncePerRun('packed', inject('runFolder'), packAll)
  for (const name of ['core', 'testing']) {
    const installed = join(project, 'node_modules/@scrapenest-webhooks', name)
    const tarball = packed.find((one) => one.name === `@scrapenest-webhooks/${name}`)?.tarball ?? ''
    await mkdir(installed, { recursive: true })
    await runIn(installed, 'tar', ['-xzf', tarball, '--strip-components=1'])
  }
  await symlink(join(repository, 'node_modules/@types'), join(project, 'node_modules/@types'), 'junction')
  await writeFile(join(project, 'package.json'), JSON.stringify({ type: 'module' }))
}, 120_000)

afterAll(() => rm(project, { recursive: true, force: true }))

describe('the testing package without an inbox', () => {
  it('can be imported', async () => {
    const script = "import { inboxChecks } from '@scrapenest-webhooks/testing'; console.log(inboxChecks.length > 0)"

    expect(await runIn(project, process.execPath, ['--input-type=module', '--eval', script])).toBe('true\n')
  })

  it('compiles in a project that checks declarations', async () => {
    const code =
      "import { createEvent, inboxChecks } from '@scrapenest-webhooks/testing'\nconsole.log(createEvent, inboxChecks)"
    const compilerOptions = { module: 'nodenext', strict: true, types: ['node'], skipLibCheck: false, noEmit: true }
    await writeFile(join(project, 'index.ts'), code)
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['index.ts'] }))

    const compiler = join(repository, 'node_modules/typescript/bin/tsc')
    expect(await runIn(project, process.execPath, [compiler, '-p', '.'])).toBe('')
  })
})

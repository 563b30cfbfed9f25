// One of the runners that `pnpm test:runtimes` tries: the one that needs a recipe, on the oldest Node.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, it, onTestFinished } from 'vitest'
import { installRunner, jestWithRecipe } from '../runtimes/test-runners.ts'
import { findNode20, packAll, temporaryFolder } from './consumer.ts'
import { oncePerRun } from './once-per-run.ts'

it('the recipe of the guide is short, and lets Jest run the packed packages on Node 20', {
  timeout: 180_000,
}, async () => {
  const { 'jest.config.js': recipe = '' } = await jestWithRecipe.files()
  const settings = recipe
    .trimEnd()
    .split('\n')
    .filter((line) => line.startsWith('  '))
  expect(settings.length).toBeLessThanOrEqual(3)

  const folder = await temporaryFolder()
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const packed = await oncePerRun('packed', inject('runFolder'), packAll)
  const run = await installRunner(join(folder, 'jest'), packed, jestWithRecipe)
  await run(await findNode20(folder))
})

// The corners of the matrix that `test:types` prints: the oldest and the newest TypeScript, with `nodenext`.
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { packAll, temporaryFolder } from '../packaging/consumer.ts'
import { oncePerRun } from '../packaging/once-per-run.ts'
import { Build, compilers, isThirdParty } from './compile.ts'
import { type Consumers, installConsumers, thirdParty } from './consumers.ts'

const minutes = 60_000

let folder: string
let consumers: Consumers

beforeAll(async () => {
  folder = await temporaryFolder()
  consumers = await installConsumers(folder, await oncePerRun('packed', inject('runFolder'), packAll))
}, 2 * minutes)

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe.concurrent('the packed declarations', () => {
  const corners = [compilers.at(0), compilers.at(-1)].filter((compiler) => compiler !== undefined)

  it.each(corners)(
    'compile in every consumer with TypeScript $version, and the type of every export can be named',
    async (compiler) => {
      const build = new Build(compiler, 'nodenext', consumers.folder)
      const projects = consumers.all.filter(({ name }) => name !== thirdParty)
      // `test:types` also covers third-party declarations: it first compiles them without ours.
      const ours = (await build.run(projects)).filter((diagnostic) => !isThirdParty(diagnostic))
      expect(ours).toEqual([])
      expect(await build.unreachableImports(projects, consumers.entryPoints)).toEqual([])
    },
    2 * minutes,
  )
})

import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestProject } from 'vitest/node'
import { temporaryFolder } from './consumer.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A folder that every test file of this run shares. */
    readonly runFolder: string
  }
}

/** Vitest's global setup. */
export default async function provideRunFolder(project: TestProject): Promise<() => Promise<void>> {
  const runFolder = await temporaryFolder()
  project.provide('runFolder', runFolder)
  // Hundreds of child processes load the same sources. A compile cache halves their startup time, but makes coverage less precise
  // (Node's documentation of NODE_COMPILE_CACHE).
  if (!project.config.coverage.enabled) process.env['NODE_COMPILE_CACHE'] = join(runFolder, 'compiled')
  return () => rm(runFolder, { recursive: true, force: true, maxRetries: 5 })
}

/**
 * Does the work in the first test file that calls it. The others wait for its result, which must survive JSON. Test files run
 * in separate processes, so two compilers would otherwise write the same files at the same time.
 *
 * @param work receives an empty folder that exists until the run ends.
 */
export async function oncePerRun<Result>(
  name: string,
  runFolder: string,
  work: (folder: string) => Promise<Result>,
): Promise<Result> {
  const folder = join(runFolder, name)
  const outcome = `${folder}.json`
  if (await isFirst(folder)) await writeOutcome(outcome, work(folder))
  while (!existsSync(outcome)) await sleep(50)
  const { result, error } = JSON.parse(await readFile(outcome, 'utf8')) as { result: Result; error?: string }
  if (error !== undefined) throw new Error(error)
  return result
}

async function isFirst(folder: string): Promise<boolean> {
  return await mkdir(folder).then(
    () => true,
    (error) => {
      if (error.code !== 'EEXIST') throw error
      return false
    },
  )
}

/** Writes atomically, so that no reader sees a partial file. */
async function writeOutcome(file: string, work: Promise<unknown>): Promise<void> {
  const outcome = await work.then(
    (result) => ({ result }),
    (error) => ({ error: String(error) }),
  )
  await writeFile(`${file}.part`, JSON.stringify(outcome))
  await rename(`${file}.part`, file)
}

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'vitest'

/** The release that docs/reference/scrapenest-api.md describes. */
const release = 'scrapenest-sdk==1.2.0'

/** Installs the SDK once per clone, under a temporary name until it is complete. */
const cache = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', release.replace('==', '-'))

async function installSdk(): Promise<string | undefined> {
  const version = await run('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 10))'])
  if (version.exitCode !== 0) return 'Python 3.10 or later (python3) is not installed'
  if (existsSync(cache)) return undefined
  const unfinished = `${cache}.${process.pid}`
  await mkdir(unfinished, { recursive: true })
  const pip = await run('python3', [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--target',
    unfinished,
    release,
  ])
  // Another test file may have installed it first.
  if (pip.exitCode === 0) await rename(unfinished, cache).catch(() => {})
  await rm(unfinished, { recursive: true, force: true })
  return pip.exitCode === 0 ? undefined : `pip could not install ${release}: ${pip.stderr.trim().split('\n').at(-1)}`
}

/** Skips the test if the SDK cannot be installed, and prints why. */
export async function needSdk(context: TestContext): Promise<void> {
  const missing = await installSdk()
  if (missing === undefined) return
  console.log(`DID NOT RUN: ${context.task.name} (${missing})`)
  context.skip(missing)
}

/** Runs a Python script that can import the SDK. @param input the script's stdin. */
export function runPython(parameters: readonly string[], input = ''): ReturnType<typeof run> {
  return run('python3', parameters, input)
}

function run(
  command: string,
  parameters: readonly string[],
  input = '',
): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, parameters, { env: { ...process.env, PYTHONPATH: cache, NO_PROXY: '127.0.0.1' } })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    child.stdin.on('error', () => {}).end(input)
    child.once('error', () => resolve({ exitCode: null, stdout, stderr }))
    child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr }))
  })
}

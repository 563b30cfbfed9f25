import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type SignatureKey, startSimulator } from '@scrapenest-webhooks/simulator'
import { describe, expect, it, type TestContext } from 'vitest'

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
  if (pip.exitCode === 0) await rename(unfinished, cache)
  else await rm(unfinished, { recursive: true, force: true })
  return pip.exitCode === 0 ? undefined : `pip could not install ${release}: ${pip.stderr.trim().split('\n').at(-1)}`
}

/** Skips the test if the SDK cannot be installed, and prints why. */
async function needSdk(context: TestContext): Promise<void> {
  const missing = await installSdk()
  if (missing === undefined) return
  console.log(`DID NOT RUN: ${context.task.name} (${missing})`)
  context.skip(missing)
}

function run(
  command: string,
  parameters: readonly string[],
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
    child.once('error', () => resolve({ exitCode: null, stdout, stderr }))
    child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr }))
  })
}

async function driveSimulator(signatureKey: SignatureKey): Promise<Record<string, unknown>> {
  const simulator = await startSimulator({ signatureKey, jobDelayMs: 1, retryDelaysMs: [] })
  try {
    const script = join(import.meta.dirname, 'official-sdk.py')
    const python = await run('python3', [script, simulator.url, simulator.apiKey, simulator.examplePageUrl])
    expect(python.stderr).toBe('')
    return JSON.parse(python.stdout)
  } finally {
    await simulator.close()
  }
}

describe('the official Python SDK, unmodified', { timeout: 120_000 }, () => {
  it('drives the simulator: register, submit, get, download, rotate', async (context) => {
    await needSdk(context)
    expect(await driveSimulator('both')).toEqual({
      version: '1.2.0',
      endpoint: ['sdk', 'active', { team: 'a' }, 'whsec_'],
      replay: true,
      scraped: ['succeeded', 2, null],
      job: ['succeeded', 'success', true, ['batch:nightly'], ['html', 'screenshot', 'manifest']],
      urls: true,
      html: [true, true],
      png: '89504e47',
      manifest: ['standard', 'success', true, 2],
      manifest_request: ['scrapenest-webhooks-simulator', 0, ['batch:nightly']],
      listed: [1, 2],
      stats: 2,
      messages: ['succeeded', 9],
      attempts: [['succeeded', 202]],
      after_rotation: [true, true],
      events: ['artifact.ready', 'job.completed', 'job.created'],
      paused: 'paused',
      resumed: ['active', true],
      updated: 'new',
      endpoints: 0,
      not_found: ['NotFoundError', 404, 'not_found', 0, true],
      invalid: ['ValidationError', 422, 'validation_error', 1, true],
      unauthorized: ['AuthenticationError', 401, 'invalid_api_key', 0, true],
    })
  })

  it('verifies signatures keyed with the text of the secret, and rejects those keyed as the guide says', async (context) => {
    await needSdk(context)
    expect(await driveSimulator('text')).toMatchObject({ messages: ['succeeded', 9] })
    const guide = await driveSimulator('decoded')
    expect(guide).toMatchObject({ messages: ['failed', 9] })
    expect(guide['events']).toEqual([expect.stringContaining('signature mismatch')])
  })
})

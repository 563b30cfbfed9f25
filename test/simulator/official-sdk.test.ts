import { join } from 'node:path'
import { type SignatureKey, startSimulator } from '@scrapenest-webhooks/simulator'
import { describe, expect, it } from 'vitest'
import { readPage } from '../docs/pages.ts'
import { needSdk, runPython } from './official-sdk.ts'

async function driveSimulator(signatureKey: SignatureKey): Promise<Record<string, unknown>> {
  const simulator = await startSimulator({ signatureKey, jobDelayMs: 1, retryDelaysMs: [] })
  try {
    const script = join(import.meta.dirname, 'official-sdk.py')
    const python = await runPython([script, simulator.url, simulator.apiKey, simulator.examplePageUrl])
    expect(python.stderr).toBe('')
    return JSON.parse(python.stdout)
  } finally {
    await simulator.close()
  }
}

/** A call to each part of the SDK that the simulator does not serve. */
const missingCalls = Object.fromEntries(
  ['monitors', 'api_keys', 'retention', 'org', 'audit_logs'].map((name) => [
    name,
    ['NotFoundError', 404, 'not_found', 0, true],
  ]),
)

describe('the official Python SDK, unmodified', { timeout: 120_000 }, () => {
  it('drives the simulator: register, submit, get, download, rotate', async (context) => {
    await needSdk(context)
    const result = await driveSimulator('both')
    expect(result).toEqual({
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
      missing: missingCalls,
      resources: expect.any(Array),
      unauthorized: ['AuthenticationError', 401, 'invalid_api_key', 0, true],
    })

    const readme = await readPage('packages/simulator/README.md')
    const [, listed = ''] = /\*\*Missing\*\*: [^(]*\(([^)]*)\)/.exec(readme) ?? []
    const names = [...listed.matchAll(/`(\w+)`/g)].map(([, name]) => name)
    expect(names.sort(), 'what the README says is missing').toEqual(Object.keys(missingCalls).sort())
    const served = ['artifacts', 'jobs', 'webhook_endpoints']
    expect(result['resources'], 'everything in the SDK').toEqual([...served, ...names].sort())
  })

  it('verifies signatures keyed with the text of the secret, and rejects those keyed as the guide says', async (context) => {
    await needSdk(context)
    expect(await driveSimulator('text')).toMatchObject({ messages: ['succeeded', 9] })
    const guide = await driveSimulator('decoded')
    expect(guide).toMatchObject({ messages: ['failed', 9] })
    expect(guide['events']).toEqual([expect.stringContaining('signature mismatch')])
  })
})

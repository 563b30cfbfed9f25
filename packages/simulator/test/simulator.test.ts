import { spawn } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { startSimulator } from '../src/index.ts'
import { setUp } from './local-simulator.ts'

describe('the simulator', () => {
  it('listens on this machine only', async () => {
    const { simulator } = await setUp()
    expect(new URL(simulator.url).hostname).toBe('127.0.0.1')
  })

  it('has a random API key, which no other simulator accepts', async () => {
    const [{ simulator }, { simulator: other }] = [await setUp(), await setUp()]
    expect(simulator.apiKey).toMatch(/^sn_test_[0-9a-f]{32}$/)
    const list = (apiKey: string) =>
      fetch(`${simulator.url}/v1/webhook-endpoints`, { headers: { 'x-api-key': apiKey } }).then(({ status }) => status)
    expect(await list(simulator.apiKey)).toBe(200)
    for (const key of [other.apiKey, 'sn_test_simulator', '']) expect(await list(key)).toBe(401)
  })

  it('reports a port that is taken', async () => {
    const { simulator } = await setUp()
    await expect(startSimulator({ port: Number(new URL(simulator.url).port) })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
  })

  it('leaves no timer and no socket: after close the process exits, with jobs and retries pending', async () => {
    const script = `
      import { startSimulator } from '@scrapenest-webhooks/simulator'
      const simulator = await startSimulator({ jobDelayMs: 1 })
      const call = (path, body) => fetch(simulator.url + path, { method: 'POST', headers: { 'x-api-key': simulator.apiKey }, body: JSON.stringify(body) })
      await call('/v1/webhook-endpoints', { url: 'http://127.0.0.1:9/' })
      await call('/v1/jobs', { job_type: 'light', target_url: simulator.examplePageUrl })
      await new Promise((passed) => setTimeout(passed, 200))
      if (simulator.messages.length !== 4) throw new Error('expected four messages')
      if (simulator.messages.some(({ status }) => status !== 'pending')) throw new Error('expected retries')
      await Promise.all([simulator.close(), simulator.close()])
      console.log('closed')`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: import.meta.dirname })
    let output = ''
    let closedMs = Infinity
    child.stdout.once('data', () => {
      closedMs = performance.now()
    })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
    const exitCode = await new Promise((resolve) => child.once('close', resolve))
    expect(output).toBe('closed\n')
    expect(exitCode).toBe(0)
    // The first retry and idle connections would take 5 s.
    expect(performance.now() - closedMs).toBeLessThan(4_000)
  })
})

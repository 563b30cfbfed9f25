import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pgBossInbox } from '@scrapenest-webhooks/inbox-pg-boss'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import pg from 'pg'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { RunningServer } from '../examples/running-server.ts'
import { startExample } from '../examples/started-example.ts'
import { findProgram, hasProgram } from './installed-engines.ts'
import { startPostgres, startRedis } from './servers.ts'

const run = promisify(execFile)
const secret = generateSecret()
const browser = findProgram('chromium') ?? findProgram('google-chrome')

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'scrapenest-example-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function start(name: string, workingDirectory: string): Promise<RunningServer> {
  const example = await startExample(name, { workingDirectory, secret })
  onTestFinished(() => example.stop())
  return example
}

describe.skipIf(!hasProgram('redis'))('examples/inbox-bullmq', () => {
  it('stores in the web process, saves a screenshot in the worker, and shows the queue in a dashboard', async () => {
    const redis = await startRedis()
    onTestFinished(() => redis.dispose())
    vi.stubEnv('REDIS_URL', redis.url)
    onTestFinished(() => void vi.unstubAllEnvs())
    const folder = await temporaryFolder()
    const example = await start('inbox-bullmq', folder)
    const picture = Buffer.from('89504e470d0a1a0a00ff', 'hex')
    const artifacts = createServer((_request, response) => response.end(picture)).listen(0, '127.0.0.1')
    onTestFinished(() => void artifacts.close())
    await once(artifacts, 'listening')
    const downloadUrl = `http://127.0.0.1:${(artifacts.address() as AddressInfo).port}/picture?signature=credential`
    const event = createEvent('artifact.ready', { data: { artifact_type: 'screenshot', download_url: downloadUrl } })
    const post = () => deliver(`${example.url}/webhooks/scrapenest`, signDelivery(event, { secret }))
    expect((await post()).reply).toEqual({ status: 'accepted' })
    expect((await post()).reply).toEqual({ status: 'duplicate' })

    const worker = spawn(process.execPath, [join(import.meta.dirname, '../../examples/inbox-bullmq/worker.ts')], {
      cwd: folder,
      stdio: 'ignore',
    })
    const file = join(folder, 'data', `${event.data.job_id}.png`)
    await vi.waitFor(async () => expect(await readFile(file)).toEqual(picture), 15_000)
    const exited = once(worker, 'exit')
    worker.kill('SIGTERM')
    expect(await exited).toEqual([0, null])

    const page = await fetch(`${example.url}/queues`)
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('Bull')])
    const queues = await (
      await fetch(`${example.url}/queues/api/queues?activeQueue=webhooks-scrapenest&status=completed`)
    ).text()
    expect(queues).toContain(event.event_id)
    expect(queues).not.toContain('credential')
    if (browser === undefined) return
    const image = join(folder, 'bull-board.png')
    const flags = [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--window-size=1280,800',
      '--virtual-time-budget=8000',
    ]
    const profile = `--user-data-dir=${join(folder, 'browser')}`
    const address = `${example.url}/queues/queue/webhooks-scrapenest?status=completed`
    const { stdout } = await run(browser, [...flags, profile, `--screenshot=${image}`, '--dump-dom', address])
    expect(stdout).toContain('artifact.ready')
    await run(browser, [...flags, profile, `--screenshot=${image}`, address])
    expect((await readFile(image)).subarray(1, 4).toString()).toBe('PNG')
    const keep = process.env['BULL_BOARD_PICTURE']
    if (keep !== undefined) await copyFile(image, keep)
  }, 120_000)
})

describe.skipIf(!hasProgram('postgres'))('examples/inbox-pg-boss', () => {
  it('writes a row and completes its event in one transaction, once, and retries if that fails', async () => {
    const postgres = await startPostgres()
    onTestFinished(() => postgres.dispose())
    vi.stubEnv('DATABASE_URL', postgres.url)
    onTestFinished(() => void vi.unstubAllEnvs())
    const example = await start('inbox-pg-boss', await temporaryFolder())
    const client = new pg.Client({ connectionString: postgres.url })
    await client.connect()
    onTestFinished(() => client.end())
    const inbox = pgBossInbox({ connectionString: postgres.url })
    onTestFinished(() => inbox.close())
    const event = createEvent('job.completed')
    const post = (sent: object) => deliver(`${example.url}/webhooks/scrapenest`, signDelivery(sent, { secret }))
    expect((await post(event)).reply).toEqual({ status: 'accepted' })
    expect((await post(event)).reply).toEqual({ status: 'duplicate' })

    await vi.waitFor(async () => expect((await inbox.get(event.event_id))?.state).toBe('done'), 15_000)
    const { rows } = await client.query('SELECT * FROM jobs')
    expect(rows).toEqual([{ job_id: event.data.job_id, status: event.data.status }])

    // Another event of the same job, whose row already exists.
    const again = createEvent('job.completed', { data: { job_id: event.data.job_id } })
    await post(again)
    await vi.waitFor(async () => expect((await inbox.get(again.event_id))?.history).toHaveLength(1), 15_000)
    expect(await inbox.get(again.event_id)).toMatchObject({
      state: 'ready',
      history: [{ attempt: 1, error: { code: 'handler_failed', message: expect.stringContaining('duplicate key') } }],
    })
  }, 120_000)
})

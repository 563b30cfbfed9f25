import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RunningServer } from './running-server.ts'
import { startExample } from './started-example.ts'

const examplesFolder = join(import.meta.dirname, '../../examples')
const names = ['fastify', 'koa', 'express', 'express-existing-app', 'koa-existing-app', 'node-http', 'hono', 'nestjs']

const secret = generateSecret()
const screenshot = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), randomBytes(2000)])
let artifacts: Server
let artifactUrl: string

beforeAll(async () => {
  artifacts = createServer((request, response) => {
    response.statusCode = request.url === '/screenshot.png' ? 200 : 404
    response.end(request.url === '/screenshot.png' ? screenshot : 'expired')
  }).listen(0, '127.0.0.1')
  await once(artifacts, 'listening')
  artifactUrl = `http://127.0.0.1:${(artifacts.address() as AddressInfo).port}`
})

afterAll(async () => {
  artifacts.closeAllConnections()
  artifacts.close()
  await once(artifacts, 'close')
})

describe.each(names)('examples/%s', (name) => {
  let workingDirectory: string
  let example: RunningServer
  let endpoint: string

  beforeAll(async () => {
    workingDirectory = await mkdtemp(join(tmpdir(), 'scrapenest-example-'))
    example = await startExample(name, { workingDirectory, secret })
    endpoint = `${example.url}/webhooks/scrapenest`
  })

  afterAll(async () => {
    await example?.stop()
    await rm(workingDirectory, { recursive: true, force: true })
  })

  it('saves a screenshot byte for byte', async () => {
    const event = createEvent('artifact.ready', {
      data: { artifact_type: 'screenshot', download_url: `${artifactUrl}/screenshot.png` },
    })
    const { status, reply } = await deliver(endpoint, signDelivery(event, { secret }))

    expect({ status, reply }).toEqual({ status: 202, reply: { status: 'accepted' } })
    expect(await readFile(join(workingDirectory, 'data', `${event.data.job_id}.png`))).toEqual(screenshot)
  })

  it('never writes outside its data folder, whatever the job id', async () => {
    const data = { job_id: '../outside', artifact_type: 'screenshot', download_url: `${artifactUrl}/screenshot.png` }
    await deliver(endpoint, signDelivery(createEvent('artifact.ready', { data }), { secret }))

    expect(await readdir(workingDirectory)).toEqual(['data'])
  })

  it('ignores other artifacts', async () => {
    const event = createEvent('artifact.ready', {
      data: { artifact_type: 'html', download_url: `${artifactUrl}/gone` },
    })
    const { status } = await deliver(endpoint, signDelivery(event, { secret }))

    expect(status).toBe(202)
    expect(existsSync(join(workingDirectory, 'data', `${event.data.job_id}.png`))).toBe(false)
  })

  it('answers 500, so that ScrapeNest retries, when the download fails', async () => {
    const data = { artifact_type: 'screenshot', download_url: `${artifactUrl}/expired?signature=credential` }
    const { status, reply } = await deliver(endpoint, signDelivery(createEvent('artifact.ready', { data }), { secret }))

    expect({ status, reply }).toEqual({ status: 500, reply: { error: 'handler_failed' } })
    await example.printed('A handler failed.')
    expect(example.output()).not.toContain('signature=credential')
  })

  it('alerts when a job failed, once even if the event arrives twice', async () => {
    const event = createEvent('job.completed', { data: { status: 'failed', failure_reason: 'timeout' } })
    const alert = `Job ${event.data.job_id} failed: timeout`
    const first = await deliver(endpoint, signDelivery(event, { secret }))
    const second = await deliver(endpoint, signDelivery(event, { secret }))

    expect([first.status, first.reply]).toEqual([202, { status: 'accepted' }])
    expect([second.status, second.reply]).toEqual([202, { status: 'duplicate' }])
    await example.printed(alert)
    expect(example.output().split(alert)).toHaveLength(2)
  })

  it('rejects a delivery whose body was modified in transit', async () => {
    const event = createEvent('job.completed', { data: { status: 'failed', failure_reason: 'timeout' } })
    const { headers } = signDelivery(event, { secret })
    const body = Buffer.from(JSON.stringify(event).replace('timeout', 'blocked'))
    const { status, reply } = await deliver(endpoint, { method: 'POST', headers, body })

    expect({ status, reply }).toEqual({ status: 400, reply: { error: 'signature_mismatch' } })
    expect(example.output()).not.toContain(`Job ${event.data.job_id} failed`)
  })

  if (name.endsWith('-existing-app')) {
    it("does not affect the application's JSON route", async () => {
      const response = await fetch(`${example.url}/orders`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ item: 'Zürich ☂' }),
      })

      expect(response.status).toBe(201)
      expect(await response.json()).toEqual({ ordered: 'Zürich ☂' })
    })
  }
})

describe('the examples together', () => {
  it('are all tested', async () => {
    const folders = await readdir(examplesFolder, { withFileTypes: true })
    const servers = folders.filter((entry) => existsSync(join(examplesFolder, entry.name, 'server.ts')))
    // Examples with an inbox have separate tests.
    expect(
      servers
        .map((entry) => entry.name)
        .filter((name) => !/^inbox-|-inbox$/.test(name))
        .sort(),
    ).toEqual([...names].sort())
  })

  it('have identical handlers, word for word', async () => {
    const handlers = await Promise.all(names.map(async (name) => handlersOf(name)))
    expect(handlers[0]).toContain("'artifact.ready'")
    expect(new Set(handlers).size).toBe(1)
  })
})

/** The options passed to `scrapenestWebhooks`, without indentation. */
async function handlersOf(name: string): Promise<string | undefined> {
  const source = await readFile(join(examplesFolder, name, 'server.ts'), 'utf8')
  const flat = source.replace(/^ +/gm, '')
  return /path: '\/webhooks\/scrapenest',\n[\s\S]*?\n},\n},\n/.exec(flat)?.[0]
}

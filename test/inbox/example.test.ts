import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { expect, it, onTestFinished, vi } from 'vitest'
import { startExample } from '../examples/started-example.ts'

it('examples/inbox-sqlite answers before the work is done, and keeps its events when it is killed', async () => {
  const workingDirectory = await mkdtemp(join(tmpdir(), 'scrapenest-example-'))
  onTestFinished(() => rm(workingDirectory, { recursive: true, force: true }))
  const { waiting, url } = await slowArtifacts()
  const secret = generateSecret()
  const event = createEvent('artifact.ready', {
    data: { artifact_type: 'screenshot', download_url: url },
  })
  const delivery = signDelivery(event, { secret })
  const screenshot = join(workingDirectory, 'data', `${event.data.job_id}.png`)

  const first = await startExample('inbox-sqlite', { workingDirectory, secret })
  const endpoint = (url: string): string => `${url}/webhooks/scrapenest`
  expect(await deliver(endpoint(first.url), delivery)).toMatchObject({ status: 202, reply: { status: 'accepted' } })
  await vi.waitFor(() => expect(waiting).toHaveLength(1), 10_000)
  // Kills the server while its handler is running.
  await first.stop(500)
  expect(existsSync(screenshot)).toBe(false)

  const second = await startExample('inbox-sqlite', { workingDirectory, secret })
  onTestFinished(() => second.stop())
  expect(await deliver(endpoint(second.url), delivery)).toMatchObject({ status: 202, reply: { status: 'duplicate' } })
}, 60_000)

it('examples/inbox-sqlite waits for a running handler on SIGTERM', async () => {
  const workingDirectory = await mkdtemp(join(tmpdir(), 'scrapenest-example-'))
  onTestFinished(() => rm(workingDirectory, { recursive: true, force: true }))
  const { waiting, url } = await slowArtifacts()
  const secret = generateSecret()
  const event = createEvent('artifact.ready', {
    data: { artifact_type: 'screenshot', download_url: url },
  })
  const server = await startExample('inbox-sqlite', { workingDirectory, secret })
  expect((await deliver(`${server.url}/webhooks/scrapenest`, signDelivery(event, { secret }))).status).toBe(202)
  await vi.waitFor(() => expect(waiting).toHaveLength(1), 10_000)
  const stopped = server.stop()
  setTimeout(() => waiting[0]?.(), 300)
  await stopped
  const screenshot = await readFile(join(workingDirectory, 'data', `${event.data.job_id}.png`), 'utf8')
  expect(screenshot).toBe('a screenshot')
  await using inbox = sqliteInbox({ file: join(workingDirectory, 'data', 'webhooks.db') })
  expect(await inbox.get(event.event_id)).toMatchObject({ state: 'done', attempts: 1 })
}, 60_000)

/** A server for artifacts that holds each request until the test answers it. */
async function slowArtifacts(): Promise<{ readonly waiting: (() => void)[]; readonly url: string }> {
  const waiting: (() => void)[] = []
  const artifacts = createServer((_request, response) => {
    waiting.push(() => response.end('a screenshot'))
  }).listen(0, '127.0.0.1')
  await once(artifacts, 'listening')
  onTestFinished(() => {
    artifacts.closeAllConnections()
    artifacts.close()
  })
  return { waiting, url: `http://127.0.0.1:${(artifacts.address() as AddressInfo).port}/` }
}

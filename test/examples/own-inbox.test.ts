import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createEvent, deliver, generateSecret, inboxChecks, signDelivery } from '@scrapenest-webhooks/testing'
import { expect, it, onTestFinished } from 'vitest'
import { startExample } from './started-example.ts'

const example = join(import.meta.dirname, '../../examples/own-inbox')

it('examples/own-inbox passes every inbox check, except those for a shared file', async () => {
  const { scripts } = JSON.parse(await readFile(join(example, 'package.json'), 'utf8'))
  expect(scripts.test).toBe('node --test')
  // With this variable, node --test assumes a parent runner and prints no report.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', '--test-reporter=tap'], {
    cwd: example,
    env,
  })

  const skipped = stdout.match(/# SKIP .*/g) ?? []
  expect(stdout).toMatch(new RegExp(`^# pass ${inboxChecks.length - skipped.length}$`, 'm'))
  expect(stdout).toMatch(/^# fail 0$/m)
  expect(skipped).toEqual(Array.from({ length: 3 }, () => '# SKIP isShared'))
}, 60_000)

it('examples/own-inbox keeps its events when it is killed', async () => {
  const workingDirectory = await mkdtemp(join(tmpdir(), 'scrapenest-example-'))
  onTestFinished(() => rm(workingDirectory, { recursive: true, force: true }))
  const secret = generateSecret()
  const event = createEvent('job.completed', { data: { status: 'failed', failure_reason: 'timeout' } })
  const delivery = signDelivery(event, { secret })

  const first = await startExample('own-inbox', { workingDirectory, secret })
  const sent = await deliver(`${first.url}/webhooks/scrapenest`, delivery)
  expect([sent.status, sent.reply]).toEqual([202, { status: 'accepted' }])
  await first.printed(`Job ${event.data.job_id} failed: timeout`)
  await first.stop(0)

  const second = await startExample('own-inbox', { workingDirectory, secret })
  onTestFinished(() => second.stop())
  const again = await deliver(`${second.url}/webhooks/scrapenest`, delivery)
  expect([again.status, again.reply]).toEqual([202, { status: 'duplicate' }])
}, 60_000)

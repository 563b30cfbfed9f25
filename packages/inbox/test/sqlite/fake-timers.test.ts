import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createReceiver } from '@scrapenest-webhooks/core'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { sqliteInbox } from '../../src/index.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'scrapenest-fake-timers-'))
  vi.useFakeTimers({
    toFake: [
      'setTimeout',
      'clearTimeout',
      'setInterval',
      'clearInterval',
      'setImmediate',
      'clearImmediate',
      'Date',
      'performance',
      'queueMicrotask',
    ],
  })
})

afterEach(() => {
  vi.useRealTimers()
  rmSync(folder, { recursive: true })
})

it('starts, stores and closes while every timer of the test is fake', async () => {
  const secret = generateSecret()
  const inbox = sqliteInbox({ file: join(folder, 'inbox.db') })
  const receiver = createReceiver({ secret, inbox, onEvent: { '*': () => {} } })
  await receiver.start()
  const statuses: number[] = []
  for (const type of ['job.created', 'job.completed', 'artifact.ready'] as const) {
    const { method, headers, body } = signDelivery(createEvent(type), { secret })
    statuses.push((await receiver.receive({ method, headers, body: () => body })).status)
  }
  expect(statuses).toEqual([202, 202, 202])
  const { ready, running, done } = await inbox.stats()
  expect(ready + running + done).toBe(3)
  await receiver.close({ graceMs: 0 })
})

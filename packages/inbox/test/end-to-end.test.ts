import { statSync } from 'node:fs'
import { createReceiver } from '@scrapenest-webhooks/core'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { expect, it, onTestFinished, vi } from 'vitest'
import { createWorker, sqliteInbox } from '../src/index.ts'
import { temporaryFile } from './temporary-file.ts'

it('stores a delivery before acknowledging it, and handles it afterward', async () => {
  const secret = generateSecret()
  const file = temporaryFile()
  const handled: unknown[] = []
  const inbox = sqliteInbox({ file })
  const receiver = createReceiver({
    secret,
    inbox,
    onEvent: { 'job.created': (event, delivery) => handled.push([event.event_id, delivery.attempt]) },
  })
  onTestFinished(() => receiver.close())
  await receiver.start()
  const event = createEvent('job.created')
  const { method, headers, body } = signDelivery(event, { secret })
  const first = await receiver.receive({ method, headers, body: async () => body })
  expect([first.status, first.body]).toEqual([202, '{"status":"accepted"}'])
  const again = await receiver.receive({ method, headers, body: async () => body })
  expect([again.status, again.body]).toEqual([202, '{"status":"duplicate"}'])
  await vi.waitFor(async () => expect(await inbox.stats()).toMatchObject({ done: 1, ready: 0, running: 0 }), 10_000)
  expect(handled).toEqual([[event.event_id, 1]])
  const record = await inbox.get(event.event_id)
  expect(record).toMatchObject({ state: 'done', attempts: 1, isUnhandled: false, envelope: event })
  expect(record?.history).toHaveLength(1)
  for (const suffix of ['', '-wal', '-shm']) expect(statSync(file + suffix).mode & 0o777).toBe(0o600)
})

it('lets a separate worker handle events that a receiver only stores', async () => {
  const secret = generateSecret()
  const file = temporaryFile()
  const inbox = sqliteInbox({ file })
  const receiver = createReceiver({ secret, inbox, processing: false })
  onTestFinished(() => receiver.close())
  await receiver.start()
  const handled: string[] = []
  await using worker = createWorker({
    inbox: sqliteInbox({ file, pollIntervalMs: 10 }),
    onEvent: { '*': (event) => handled.push(event.event_id) },
  })
  await worker.start()
  const event = createEvent('artifact.ready')
  const { method, headers, body } = signDelivery(event, { secret })
  expect((await receiver.receive({ method, headers, body: async () => body })).status).toBe(202)
  await vi.waitFor(() => expect(handled).toEqual([event.event_id]), 10_000)
})

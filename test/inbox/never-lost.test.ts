import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PermanentError } from '@scrapenest-webhooks/core'
import { createWorker, sqliteInbox } from '@scrapenest-webhooks/inbox'
import { createEvent } from '@scrapenest-webhooks/testing'
import fc from 'fast-check'
import { expect, it, onTestFinished, vi } from 'vitest'

const maxAttempts = 3

/** The outcome of one attempt. An event succeeds when its list is used up. */
const outcome = fc.constantFrom('succeeds', 'fails', 'gives up', 'hangs')
const plan = fc.record({
  events: fc.array(fc.array(outcome, { maxLength: 4 }), { minLength: 1, maxLength: 12 }),
  concurrency: fc.integer({ min: 1, max: 4 }),
  restarts: fc.integer({ min: 0, max: 3 }),
})

it('no event is lost, whatever its handlers do and however often the worker restarts', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'scrapenest-never-lost-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  let files = 0
  await fc.assert(
    fc.asyncProperty(plan, async ({ events, concurrency, restarts }) => {
      files += 1
      const file = join(directory, `${files}.db`)
      const scripts = new Map(events.map((script) => [createEvent('job.created').event_id, script]))
      const succeeded: string[] = []
      const startWorker = async () => {
        const inbox = sqliteInbox({
          file,
          concurrency,
          maxAttempts,
          backoff: () => 1,
          handlerTimeoutMs: 15,
          graceMs: 5,
          pollIntervalMs: 5,
        })
        const worker = createWorker({
          inbox,
          logger: { warn() {}, error() {} },
          onEvent: {
            async 'job.created'({ event_id }, { attempt }) {
              const what = scripts.get(event_id)?.[attempt - 1] ?? 'succeeds'
              if (what === 'fails') throw new Error('failed')
              if (what === 'gives up') throw new PermanentError('gave up')
              if (what === 'hangs') await new Promise(() => {})
              succeeded.push(event_id)
            },
          },
        })
        await worker.start()
        return { inbox, worker }
      }
      let { inbox, worker } = await startWorker()
      for (const eventId of scripts.keys()) expect(await inbox.put(inboxEvent(eventId))).toBe('stored')
      for (let restart = 0; restart < restarts; restart += 1) {
        await worker.close({ graceMs: 0 })
        ;({ inbox, worker } = await startWorker())
      }
      await vi.waitFor(async () => expect(await inbox.stats()).toMatchObject({ ready: 0, running: 0 }), {
        timeout: 10_000,
        interval: 5,
      })
      for (const [eventId, script] of scripts) {
        const record = await inbox.get(eventId)
        expect([eventId, record?.state]).toEqual([eventId, expectedState(script)])
        const completions = record?.history.filter(({ error }) => error === undefined).length
        expect(completions).toBe(record?.state === 'done' ? 1 : 0)
      }
      expect(new Set(succeeded).size).toBe((await inbox.stats()).done)
      await worker.close()
    }),
    { numRuns: 25 },
  )
}, 120_000)

function expectedState(script: readonly string[]): 'done' | 'dead' {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const what = script[attempt] ?? 'succeeds'
    if (what === 'succeeds') return 'done'
    if (what === 'gives up') return 'dead'
  }
  return 'dead'
}

function inboxEvent(eventId: string) {
  const event = createEvent('job.created', { event_id: eventId })
  return {
    name: 'scrapenest',
    eventId,
    eventType: event.event_type,
    messageId: `msg_${eventId}`,
    sentAt: new Date(),
    receivedAt: new Date(),
    signedHeaders: {},
    body: Buffer.from(JSON.stringify(event)),
    secretIndex: 0,
  }
}

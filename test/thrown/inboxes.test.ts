import { inspect } from 'node:util'
import { createReceiver } from '@scrapenest-webhooks/core'
import { type Inbox, type InboxAttemptRecord, memoryInbox } from '@scrapenest-webhooks/inbox'
import { createEvent, generateSecret, signDelivery, untilInboxStats } from '@scrapenest-webhooks/testing'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { everyInbox } from '../inbox/every-inbox.ts'
import { realms, type ThrownValue, throwFrom, thrownValues } from './thrown-values.ts'

const secret = generateSecret()

describe.each(everyInbox)('an inbox in $name', ({ create, isMissing }) => {
  it.skipIf(isMissing).each(realms)(
    'records each attempt that ends with any value thrown in %s, and handles other events',
    async (realm) => {
      const inbox = await create({ maxAttempts: 2, backoff: () => 1, concurrency: 5 })
      const thrown = new Map<string, ThrownValue>()
      const reported = new Map<string, unknown[]>()
      const receiver = createReceiver({
        secret,
        inbox,
        // Formats them, as the default logger does.
        logger: { warn() {}, error: (fields) => void inspect(fields) },
        onEvent: {
          'job.created': ({ event_id }, { attempt }) =>
            throwFrom(thrown.get(event_id)?.value, attempt === 1 ? 'throw' : 'reject'),
          'job.completed': () => {},
        },
        onError(error, { eventId = '', code }) {
          if (code === 'handler_failed') reported.set(eventId, [...(reported.get(eventId) ?? []), error])
          throw error
        },
      })
      onTestFinished(() => receiver.close())
      await receiver.start()
      const put = async (event: object) => {
        const { method, headers, body } = signDelivery(event, { secret })
        // Retries as the sender does, because an engine on a busy machine may answer too late.
        await vi.waitFor(async () => {
          expect(await receiver.receive({ method, headers, body: async () => body })).toMatchObject({ status: 202 })
        }, 30_000)
      }
      const values = thrownValues(realm)
      for (const one of values) {
        const failing = createEvent('job.created')
        thrown.set(failing.event_id, one)
        await Promise.all([put(failing), put(createEvent('job.completed'))])
      }
      await untilInboxStats(inbox, { ready: 0, running: 0, done: values.length, dead: values.length }, 60_000)
      for (const [eventId, one] of thrown) {
        const record = await inbox.get(eventId)
        expect(record, one.what).toMatchObject({ state: 'dead', attempts: 2 })
        expect(record?.history, one.what).toHaveLength(inbox.capabilities.attempts === 'every' ? 2 : 1)
        expectRecorded(record?.history ?? [], one)
        const same = (reported.get(eventId) ?? []).map((error) => Object.is(error, one.value))
        expect(same, one.what).toEqual([true, true])
      }
    },
    90_000,
  )
})

function expectRecorded(history: readonly InboxAttemptRecord[], { what, message }: ThrownValue): void {
  for (const { error } of history) {
    expect(error?.code, what).toBe('handler_failed')
    expect(error?.message, what).toMatch(typeof message === 'string' ? exactly(message) : message)
  }
}

function exactly(text: string): RegExp {
  return new RegExp(`^${text.replaceAll(/[^\w\s]/g, String.raw`\$&`)}$`)
}

/** An error that is recognized by its fields, like one of another copy of this library, until a field throws. */
function fragile(code: string, reads: number): object {
  let left = reads
  const fields: Record<string, unknown> = { library: 'scrapenest-webhooks', code, retryAfterSeconds: 1 }
  return new Proxy(fields, {
    get(target, field) {
      left -= 1
      if (left < 0) throw new Error('hostile')
      return target[field as string]
    },
  })
}

describe.each(['permanent_failure', 'retry_later'])('a %s whose fields throw after a number of reads', (code) => {
  const counts = Array.from({ length: 40 }, (_, index) => index)

  const receive = async (reads: number, inbox?: Inbox): Promise<number> => {
    const logger = { warn() {}, error() {} }
    const handler = (): unknown => throwFrom(fragile(code, reads), 'throw')
    const receiver = createReceiver({ secret, inbox, logger, onEvent: { 'job.created': handler } })
    onTestFinished(() => receiver.close())
    await receiver.start()
    const { method, headers, body } = signDelivery(createEvent('job.created'), { secret })
    return (await receiver.receive({ method, headers, body: async () => body })).status
  }

  it.each(counts)('ends its attempt in an inbox: %d', async (reads) => {
    const inbox = memoryInbox({ maxAttempts: 1 })
    expect(await receive(reads, inbox)).toBe(202)
    await untilInboxStats(inbox, { ready: 0, running: 0, dead: 1 })
  })

  it.each(counts)('is answered without an inbox: %d', async (reads) => {
    expect([202, 500, 503]).toContain(await receive(reads))
  })
})

import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type DispatchResult,
  EnvelopeInvalidError,
  HandlerFailedError,
  type InboxEvent,
  type InboxProcessor,
  type InboxUser,
  PermanentError,
  RetryLaterError,
  SchemaMismatchError,
} from '@scrapenest-webhooks/core'
import type { Inbox, InboxOptions } from '@scrapenest-webhooks/inbox'

/** What an inbox must do, whatever its engine: run each check against an empty inbox of its own. */
export interface InboxCheck {
  readonly id: string
  readonly name: string
  run(host: InboxSuiteHost): Promise<void>
}

export interface InboxSuiteHost {
  /** Makes an empty inbox. It is closed by whoever made the host. */
  create(options?: InboxSuiteOptions): Inbox
}

/** Without a clock: an engine of another maker cannot be given one. */
export type InboxSuiteOptions = Pick<
  InboxOptions,
  'backoff' | 'concurrency' | 'graceMs' | 'handlerTimeoutMs' | 'keepPayload' | 'maxAttempts'
>

const soon = (): number => 5

export const inboxChecks: readonly InboxCheck[] = [
  {
    id: 'I01',
    name: 'MUST say of an event whether it is new or a duplicate',
    async run(host) {
      const inbox = host.create()
      const event = createInboxEvent()
      assert.equal(await inbox.put(event), 'stored')
      assert.equal(await inbox.put(event), 'duplicate')
      assert.equal((await inbox.stats()).ready, 1)
    },
  },
  {
    id: 'I02',
    name: 'MUST store an event once when it comes many times at once',
    async run(host) {
      const inbox = host.create()
      const event = createInboxEvent()
      const results = await Promise.all(Array.from({ length: 20 }, () => inbox.put(event)))
      assert.equal(results.filter((result) => result === 'stored').length, 1)
      assert.equal((await inbox.stats()).ready, 1)
    },
  },
  {
    id: 'I03',
    name: 'MUST keep the same id of two receivers apart',
    async run(host) {
      const inbox = host.create()
      const event = createInboxEvent()
      assert.equal(await inbox.put(event), 'stored')
      assert.equal(await inbox.put({ ...event, name: 'another' }), 'stored')
      assert.equal((await inbox.stats({ name: 'another' })).ready, 1)
      assert.equal((await inbox.get(event.eventId, { name: 'another' }))?.name, 'another')
    },
  },
  {
    id: 'I04',
    name: 'MUST give the handlers what was put, byte for byte',
    async run(host) {
      const inbox = host.create()
      const event = createInboxEvent({ body: randomBytes(1_048_576), secretIndex: 1 })
      const seen: InboxEvent[] = []
      await inbox.put(event)
      await inbox.start(createUser((stored) => seen.push(stored)))
      await until(() => seen.length > 0)
      const [{ body, ...facts }] = seen as [InboxEvent]
      const { body: sent, ...sentFacts } = event
      assert.ok(Buffer.from(body).equals(sent))
      assert.deepEqual(facts, sentFacts)
    },
  },
  {
    id: 'I05',
    name: 'MUST handle an event once when its handlers succeed, whether it was stored before the start or after',
    async run(host) {
      const inbox = host.create()
      const runs: string[] = []
      const [early, late] = [createInboxEvent(), createInboxEvent()]
      await inbox.put(early)
      await inbox.start(createUser((event) => runs.push(event.eventId)))
      await inbox.put(late)
      await untilStats(inbox, { done: 2 })
      assert.deepEqual(runs.sort(), [early.eventId, late.eventId].sort())
      const record = await inbox.get(early.eventId)
      assert.equal(record?.attempts, 1)
      assert.deepEqual(
        record?.history.map(({ attempt, error }) => ({ attempt, error })),
        [{ attempt: 1, error: undefined }],
      )
    },
  },
  {
    id: 'I06',
    name: 'MUST leave events alone where nobody processes',
    async run(host) {
      const inbox = host.create()
      await inbox.start({ name: 'scrapenest', report() {} })
      await inbox.put(createInboxEvent())
      await sleep(30)
      assert.deepEqual(pick(await inbox.stats()), { ready: 1, running: 0, done: 0, dead: 0, unhandled: 0 })
    },
  },
  {
    id: 'I07',
    name: 'MUST try again after a failure, and count the attempts',
    async run(host) {
      const inbox = host.create({ backoff: soon })
      const attempts: number[] = []
      const event = createInboxEvent()
      await inbox.start(
        createUser((_, { attempt }) => {
          attempts.push(attempt)
          if (attempt < 4) throw new HandlerFailedError(new Error(`failure ${attempt}`))
        }),
      )
      await inbox.put(event)
      await untilStats(inbox, { done: 1 })
      assert.deepEqual(attempts, [1, 2, 3, 4])
      const record = await inbox.get(event.eventId)
      assert.equal(record?.attempts, 4)
      if (inbox.capabilities.attempts !== 'every') return
      assert.deepEqual(
        record?.history.map(({ error }) => error?.message),
        ['failure 1', 'failure 2', 'failure 3', undefined],
      )
      assert.equal(record?.history[0]?.error?.code, 'handler_failed')
    },
  },
  {
    id: 'I08',
    name: 'MUST keep an event as dead after maxAttempts, and tell',
    async run(host) {
      const inbox = host.create({ backoff: soon, maxAttempts: 3 })
      const reports: string[] = []
      let runs = 0
      const event = createInboxEvent()
      await inbox.start({
        ...createUser(() => {
          runs += 1
          throw new HandlerFailedError(new Error('always'))
        }),
        report: (_, reported) => reports.push(String(reported?.eventId)),
      })
      await inbox.put(event)
      await untilStats(inbox, { dead: 1 })
      await sleep(30)
      assert.equal(runs, 3)
      assert.deepEqual(reports, [event.eventId])
      assert.equal(await inbox.put(event), 'duplicate')
    },
  },
  ...[new PermanentError('no use'), new SchemaMismatchError('job.created', []), new EnvelopeInvalidError('no use')].map(
    (error, index): InboxCheck => ({
      id: `I09.${index + 1}`,
      name: `MUST not try again after ${error.code}`,
      async run(host) {
        const inbox = host.create({ backoff: soon })
        const event = createInboxEvent()
        await inbox.start(
          createUser(() => {
            throw error
          }),
        )
        await inbox.put(event)
        await untilStats(inbox, { dead: 1 })
        const record = await inbox.get(event.eventId)
        assert.equal(record?.attempts, 1)
        assert.equal(record?.history.at(-1)?.error?.code, error.code)
      },
    }),
  ),
  {
    id: 'I10',
    name: 'MUST try again when RetryLaterError says, and not before',
    async run(host) {
      const inbox = host.create({ backoff: soon })
      const event = createInboxEvent()
      const startedAtMs: number[] = []
      await inbox.start(
        createUser(() => {
          startedAtMs.push(Date.now())
          if (startedAtMs.length === 1) throw new RetryLaterError('in a second', { retryAfterSeconds: 1 })
        }),
      )
      await inbox.put(event)
      await untilStats(inbox, { done: 1 }, 10_000)
      const [first = 0, second = 0] = startedAtMs
      assert.ok(second - first >= 999, `tried again after ${second - first} ms`)
    },
  },
  {
    id: 'I11',
    name: 'MUST mark an event without a handler as unhandled, and run it when it is replayed',
    async run(host) {
      const inbox = host.create({ keepPayload: false })
      const event = createInboxEvent()
      let result: DispatchResult = 'unhandled'
      await inbox.start({ ...createUser(() => {}), process: async () => result })
      await inbox.put(event)
      await untilStats(inbox, { done: 1, unhandled: 1 })
      assert.equal((await inbox.get(event.eventId))?.isUnhandled, true)
      result = 'handled'
      assert.deepEqual(await inbox.replay({ eventId: event.eventId }), { replayed: 1, withoutPayload: 0 })
      await untilStats(inbox, { done: 1, unhandled: 0 })
    },
  },
  {
    id: 'I12',
    name: 'MUST run a dead event again when it is replayed, with a fresh number of attempts',
    async run(host) {
      const inbox = host.create({ backoff: soon, maxAttempts: 2 })
      const attempts: number[] = []
      const event = createInboxEvent()
      let isMended = false
      await inbox.start(
        createUser((_, { attempt }) => {
          attempts.push(attempt)
          if (!isMended) throw new HandlerFailedError(new Error('broken'))
        }),
      )
      await inbox.put(event)
      await untilStats(inbox, { dead: 1 })
      isMended = true
      assert.equal((await inbox.replay({ state: 'dead' })).replayed, 1)
      await untilStats(inbox, { done: 1 })
      assert.deepEqual(attempts, [1, 2, 1])
      const record = await inbox.get(event.eventId)
      assert.equal(record?.replays, 1)
      if (inbox.capabilities.attempts !== 'every') return
      assert.deepEqual(
        record?.history.map(({ replay, attempt }) => [replay, attempt]),
        [
          [0, 1],
          [0, 2],
          [1, 1],
        ],
      )
    },
  },
  {
    id: 'I13',
    name: 'MUST replay what the filter selects and nothing that waits',
    async run(host) {
      const inbox = host.create()
      const [job, artifact] = [createInboxEvent(), createInboxEvent({ eventType: 'artifact.ready' })]
      const runs: string[] = []
      const user = createUser((event) => runs.push(event.eventType))
      await inbox.put(job)
      await inbox.put(artifact)
      assert.equal((await inbox.replay({ eventId: job.eventId })).replayed, 0)
      await inbox.start(user)
      await untilStats(inbox, { done: 2 })
      assert.equal((await inbox.replay({ state: 'dead' })).replayed, 0)
      assert.equal((await inbox.replay({ state: 'done', eventType: 'artifact.ready' })).replayed, 1)
      await untilStats(inbox, { done: 2 })
      assert.deepEqual(runs.sort(), ['artifact.ready', 'artifact.ready', 'job.created'])
    },
  },
  {
    id: 'I14',
    name: 'MUST list the latest first, page by page, without gap or repetition, and without content',
    async run(host) {
      const inbox = host.create()
      const ids: string[] = []
      for (let index = 0; index < 7; index += 1) {
        const event = createInboxEvent()
        ids.unshift(event.eventId)
        await inbox.put(event)
      }
      const pages: string[][] = []
      let cursor: string | undefined
      do {
        const page = await inbox.list({ limit: 3, cursor })
        pages.push(page.events.map(({ eventId }) => eventId))
        for (const event of page.events) assert.ok(!('body' in event) && !('signedHeaders' in event))
        cursor = page.nextCursor
      } while (cursor !== undefined)
      assert.deepEqual(pages, [ids.slice(0, 3), ids.slice(3, 6), ids.slice(6)])
    },
  },
  {
    id: 'I15',
    name: 'MUST list by type, state, id, name and time received',
    async run(host) {
      const inbox = host.create()
      const job = createInboxEvent({ receivedAt: new Date(1_700_000_000_000) })
      const artifact = createInboxEvent({ eventType: 'artifact.ready', receivedAt: new Date(1_700_000_100_000) })
      const other = createInboxEvent({ name: 'other', receivedAt: new Date(1_700_000_200_000) })
      for (const event of [job, artifact, other]) await inbox.put(event)
      const listed = async (query: Parameters<Inbox['list']>[0]): Promise<string[]> =>
        (await inbox.list(query)).events.map(({ eventId }) => eventId)
      assert.deepEqual(await listed({ eventType: 'artifact.ready' }), [artifact.eventId])
      assert.deepEqual(await listed({ name: 'other' }), [other.eventId])
      assert.deepEqual(await listed({ eventId: job.eventId }), [job.eventId])
      assert.deepEqual(await listed({ state: 'ready', name: 'scrapenest' }), [artifact.eventId, job.eventId])
      assert.deepEqual(await listed({ state: 'done' }), [])
      assert.deepEqual(await listed({ receivedFrom: artifact.receivedAt }), [other.eventId, artifact.eventId])
      assert.deepEqual(await listed({ receivedBefore: artifact.receivedAt }), [job.eventId])
    },
  },
  {
    id: 'I16',
    name: 'MUST give everything that is kept of one event, and nothing for one that is not there',
    async run(host) {
      const inbox = host.create()
      const event = createInboxEvent()
      await inbox.put(event)
      const record = await inbox.get(event.eventId)
      assert.deepEqual(record?.envelope, JSON.parse(Buffer.from(event.body).toString()))
      assert.ok(Buffer.from(record?.body ?? []).equals(event.body))
      assert.deepEqual(record?.signedHeaders, event.signedHeaders)
      assert.deepEqual(record?.sentAt, event.sentAt)
      assert.deepEqual(record?.receivedAt, event.receivedAt)
      assert.equal(await inbox.get('nothing'), undefined)
    },
  },
  {
    id: 'I17',
    name: 'MUST count the events of each state',
    async run(host) {
      const inbox = host.create({ concurrency: 1 })
      const never = new Promise(() => {})
      const outcomes = [undefined, new PermanentError('dead'), never]
      let begun = 0
      await inbox.start(
        createUser(async () => {
          const outcome = outcomes[begun]
          begun += 1
          if (outcome instanceof Error) throw outcome
          await outcome
        }),
      )
      for (let index = 0; index < 4; index += 1) await inbox.put(createInboxEvent())
      await untilStats(inbox, { done: 1, dead: 1, running: 1, ready: 1 })
      const { oldestReadyAt } = await inbox.stats()
      assert.ok(oldestReadyAt !== undefined && Date.now() - oldestReadyAt.getTime() < 5000)
      await inbox.close({ graceMs: 0 })
    },
  },
  {
    id: 'I18',
    name: 'MUST purge what is done or dead, as filtered, and take a purged event for new',
    async run(host) {
      const inbox = host.create()
      const [good, bad] = [createInboxEvent(), createInboxEvent({ eventType: 'artifact.ready' })]
      const user = createUser((event) => {
        if (event.eventType === 'artifact.ready') throw new PermanentError('dead')
      })
      await inbox.start(user)
      await inbox.put(good)
      await inbox.put(bad)
      await untilStats(inbox, { done: 1, dead: 1 })
      await inbox.close({ graceMs: 100 })
      assert.equal(await inbox.purge({ state: 'done', finishedBefore: new Date(Date.now() - 60_000) }), 0)
      assert.equal(await inbox.purge({ state: 'done' }), 1)
      assert.deepEqual(pick(await inbox.stats()), { ready: 0, running: 0, done: 0, dead: 1, unhandled: 0 })
      assert.equal(await inbox.put(good), 'stored')
      assert.equal(await inbox.put(bad), 'duplicate')
      assert.equal(await inbox.purge({ state: 'dead', eventType: 'artifact.ready' }), 1)
      assert.equal((await inbox.stats()).ready, 1)
    },
  },
  {
    id: 'I19',
    name: 'MUST drop bodies and headers when done, where keepPayload is false, and still know the event',
    async run(host) {
      const inbox = host.create({ keepPayload: false })
      if (!inbox.capabilities.canDropPayload) return
      const event = createInboxEvent()
      await inbox.start(createUser(() => {}))
      await inbox.put(event)
      await untilStats(inbox, { done: 1 })
      const record = await inbox.get(event.eventId)
      assert.equal(record?.body, undefined)
      assert.equal(record?.signedHeaders, undefined)
      assert.equal(await inbox.put(event), 'duplicate')
      assert.deepEqual(await inbox.replay({ state: 'done' }), { replayed: 0, withoutPayload: 1 })
    },
  },
  {
    id: 'I20',
    name: 'MUST wait for running handlers when it closes, and start no more',
    async run(host) {
      const inbox = host.create({ concurrency: 1 })
      const begun: string[] = []
      await inbox.start(
        createUser(async (event) => {
          begun.push(event.eventId)
          await sleep(50)
        }),
      )
      await inbox.put(createInboxEvent())
      await inbox.put(createInboxEvent())
      await until(() => begun.length === 1)
      await inbox.close({ graceMs: 5000 })
      assert.equal(begun.length, 1)
      assert.deepEqual(pick(await inbox.stats()), { ready: 1, running: 0, done: 1, dead: 0, unhandled: 0 })
    },
  },
  {
    id: 'I21',
    name: 'MUST abort what is not done when graceMs is over, and give its event back without counting the attempt',
    async run(host) {
      const inbox = host.create()
      const event = createInboxEvent()
      let reason: unknown
      await inbox.start(
        createUser(async (_, { signal }) => {
          await new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              reason = signal.reason
              reject(new HandlerFailedError(signal.reason))
            })
          })
        }),
      )
      await inbox.put(event)
      await untilStats(inbox, { running: 1 })
      await inbox.close({ graceMs: 20 })
      assert.equal((reason as { code?: string } | undefined)?.code, 'receiver_closing')
      const record = await inbox.get(event.eventId)
      assert.equal(record?.state, 'ready')
      assert.equal(record?.attempts, 0)
    },
  },
  {
    id: 'I22',
    name: 'MUST abort handlers at their time limit, and try again',
    async run(host) {
      const inbox = host.create({ handlerTimeoutMs: 30, graceMs: 1000, backoff: soon })
      const event = createInboxEvent()
      const reports: unknown[] = []
      await inbox.start({
        ...createUser(async (_, { attempt, signal }) => {
          if (attempt > 1) return
          await new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(new HandlerFailedError(signal.reason)))
          })
        }),
        report: (error) => reports.push((error as { code?: unknown }).code),
      })
      await inbox.put(event)
      await untilStats(inbox, { done: 1 })
      const record = await inbox.get(event.eventId)
      assert.equal(record?.attempts, 2)
      assert.deepEqual(reports, ['handler_timeout'])
    },
  },
  {
    id: 'I23',
    name: 'MUST let an overdue handler keep its place for graceMs only, and count nothing it does afterwards',
    async run(host) {
      const inbox = host.create({ handlerTimeoutMs: 20, graceMs: 20, concurrency: 1, backoff: () => 60_000 })
      const [stuck, next] = [createInboxEvent(), createInboxEvent()]
      let letGo: () => void = () => {}
      const handled: string[] = []
      await inbox.start(
        createUser(async (event) => {
          if (event.eventId === stuck.eventId) {
            await new Promise<void>((resolve) => {
              letGo = resolve
            })
          }
          handled.push(event.eventId)
        }),
      )
      await inbox.put(stuck)
      await inbox.put(next)
      await untilStats(inbox, { done: 1, ready: 1 })
      letGo()
      await until(() => handled.length === 2)
      await sleep(20)
      const record = await inbox.get(stuck.eventId)
      assert.equal(record?.state, 'ready')
      assert.deepEqual(
        record?.history.map(({ error }) => error?.code),
        ['handler_timeout'],
      )
    },
  },
  {
    id: 'I24',
    name: 'MUST run no more handlers at a time than concurrency allows, and all of them in the end',
    async run(host) {
      const inbox = host.create({ concurrency: 3 })
      let running = 0
      let most = 0
      await inbox.start(
        createUser(async () => {
          running += 1
          most = Math.max(most, running)
          await sleep(2)
          running -= 1
        }),
      )
      await Promise.all(Array.from({ length: 40 }, () => inbox.put(createInboxEvent())))
      await untilStats(inbox, { done: 40 })
      assert.equal(most, 3)
    },
  },
  {
    id: 'I25',
    name: 'MUST give each user the events of its name, and go on for the others when one closes',
    async run(host) {
      const inbox = host.create()
      const seen: string[] = []
      const [one, two] = ['one', 'two'].map((name) => createUser((event) => seen.push(`${name}:${event.name}`), name))
      await inbox.start(one as InboxUser)
      await inbox.start(two as InboxUser)
      await inbox.put(createInboxEvent({ name: 'one' }))
      await inbox.put(createInboxEvent({ name: 'two' }))
      await untilStats(inbox, { done: 2 })
      await inbox.close({ graceMs: 100, user: one })
      await inbox.put(createInboxEvent({ name: 'one' }))
      await inbox.put(createInboxEvent({ name: 'two' }))
      await untilStats(inbox, { done: 3, ready: 1 })
      assert.deepEqual(seen.sort(), ['one:one', 'two:two', 'two:two'])
    },
  },
  {
    id: 'I26',
    name: 'MUST be closed as often as one likes, and start again',
    async run(host) {
      const inbox = host.create()
      await Promise.all([inbox.close(), inbox.close()])
      await inbox.put(createInboxEvent())
      const user = createUser(() => {})
      await Promise.all([inbox.start(user), inbox.start(user)])
      await untilStats(inbox, { done: 1 })
      await inbox.close()
      await inbox.start(user)
      await inbox.put(createInboxEvent())
      await untilStats(inbox, { done: 2 })
    },
  },
]

/** An event as a receiver puts it; new at each call. */
export function createInboxEvent(overrides: Partial<InboxEvent> = {}): InboxEvent {
  const eventId = overrides.eventId ?? randomUUID()
  const eventType = overrides.eventType ?? 'job.created'
  const messageId = `msg_${randomUUID()}`
  const sentAt = new Date(Math.floor(Date.now() / 1000) * 1000)
  return {
    name: 'scrapenest',
    eventId,
    eventType,
    messageId,
    sentAt,
    receivedAt: new Date(),
    signedHeaders: {
      'svix-id': messageId,
      'svix-timestamp': String(sentAt.getTime() / 1000),
      'svix-signature': 'v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=',
    },
    body: Buffer.from(JSON.stringify({ event_id: eventId, event_type: eventType, data: { job_id: randomUUID() } })),
    secretIndex: 0,
    ...overrides,
  }
}

/** A user whose handler is the given function; what it returns does not matter. */
export function createUser(
  handle: (...parameters: Parameters<InboxProcessor>) => unknown,
  name: string = 'scrapenest',
): InboxUser {
  return {
    name,
    process: async (event, attempt) => {
      await handle(event, attempt)
      return 'handled'
    },
    report() {},
  }
}

/** Resolves when the condition holds; rejects when it does not in time. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs: number = 5000): Promise<void> {
  const giveUpAtMs = performance.now() + timeoutMs
  while (!(await condition())) {
    assert.ok(performance.now() < giveUpAtMs, `not so within ${timeoutMs} ms: ${condition.toString()}`)
    await sleep(2)
  }
}

type Counts = Record<'ready' | 'running' | 'done' | 'dead' | 'unhandled', number>

export async function untilStats(inbox: Inbox, wanted: Partial<Counts>, timeoutMs?: number): Promise<void> {
  await until(async () => {
    const counts = pick(await inbox.stats())
    return Object.entries(wanted).every(([state, count]) => counts[state as keyof Counts] === count)
  }, timeoutMs)
}

function pick({ ready, running, done, dead, unhandled }: Counts): Counts {
  return { ready, running, done, dead, unhandled }
}

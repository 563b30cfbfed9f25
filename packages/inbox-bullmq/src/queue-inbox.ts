import type { InboxConsumer, InboxEvent } from '@scrapenest-webhooks/core'
import type {
  Inbox,
  InboxCapabilities,
  InboxFilter,
  InboxPage,
  InboxQuery,
  InboxRecord,
  InboxState,
  InboxStats,
  InboxSummary,
  PurgeFilter,
  ReplayFilter,
  ReplayResult,
} from '@scrapenest-webhooks/inbox'
import {
  checkPageQuery,
  checkPurgeFilter,
  checkReplayFilter,
  fitsFilter,
  InboxConsumers,
  type InboxSettings,
} from '@scrapenest-webhooks/inbox/engine'
import type { Job, JobType, Queue } from 'bullmq'
import { deduplicationId, type JobData, jobIdForm, jobIdSuffix, newJobId, toJobData } from './job-data.ts'
import { toRecord, toSummary } from './job-record.ts'
import { notesOf, QueueWorker, writeNotes } from './queue-worker.ts'
import { clientOf, type Queues } from './queues.ts'
import { durabilityProblem } from './redis-durability.ts'
import { countUnhandled } from './unhandled-count.ts'

export interface QueueInboxSettings extends InboxSettings {
  readonly rememberMs: number
}

/** BullMQ's lists of jobs, by the state an event has in them. */
const listsOf: Readonly<Record<InboxState, readonly JobType[]>> = {
  ready: ['wait', 'delayed', 'prioritized'],
  running: ['active'],
  done: ['completed'],
  dead: ['failed'],
}
const states = Object.keys(listsOf) as readonly InboxState[]

/** How many jobs are asked for at a time. */
const batchLength = 100

interface FoundJob {
  readonly id: string
  readonly queue: Queue
  readonly state: InboxState
}

/** The inbox contract on BullMQ's queues. */
export class QueueInbox implements Inbox {
  readonly capabilities: InboxCapabilities = {
    isDurable: true,
    isShared: true,
    attempts: 'last',
    filters: [
      'name',
      'eventId',
      'eventType',
      'state',
      'isUnhandled',
      'receivedFrom',
      'receivedBefore',
      'finishedBefore',
    ],
    replayableStates: ['done', 'dead'],
    canDropPayload: true,
    canTakeClock: false,
  }
  readonly #queues: Queues
  readonly #settings: QueueInboxSettings
  readonly #consumers = new InboxConsumers<QueueWorker>({ closeStore: () => this.#closeQueues() })
  readonly #workers = new Set<QueueWorker>()
  readonly #jobOptions: object

  constructor(queues: Queues, settings: QueueInboxSettings) {
    this.#queues = queues
    this.#settings = settings
    this.#jobOptions = {
      attempts: settings.maxAttempts,
      backoff: { type: 'custom' },
      // By age BullMQ deletes the job and not the memory of its event.
      removeOnComplete: { age: Math.ceil(settings.keepDoneMs / 1000) },
      removeOnFail: false,
      stackTraceLimit: 1,
    }
  }

  async put(event: InboxEvent): Promise<'stored' | 'duplicate'> {
    const { name } = event
    const id = deduplicationId(event.eventId)
    const jobId = newJobId(id)
    const data = toJobData(event)
    const options = { ...this.#jobOptions, jobId, deduplication: { id, ttl: this.#settings.rememberMs } }
    if (!this.#queues.isListed(name)) await this.#queues.list(name)
    const job = await this.#queues.answer(name, (queue) => queue.add(event.eventType, data, options))
    return job.id === jobId ? 'stored' : 'duplicate'
  }

  async start(consumer: InboxConsumer): Promise<void> {
    await this.#consumers.start(consumer, {
      work: () => {
        const worker = new QueueWorker(this.#queues, { consumer, settings: this.#settings })
        this.#workers.add(worker)
        return worker
      },
      open: () => this.#openFor(consumer),
    })
  }

  async check(): Promise<void> {
    await this.#queues.check(this.#consumers.all()[0]?.name)
  }

  async close(options?: Parameters<Inbox['close']>[0]): Promise<void> {
    await this.#consumers.close(options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async list(query: InboxQuery = {}): Promise<InboxPage> {
    const { limit } = checkPageQuery(query, jobIdForm)
    const { limit: _limit, cursor, ...filter } = query
    const found = await this.#find(filter)
    // The id begins with the time.
    found.sort((one, other) => (one.id < other.id ? 1 : -1))
    const start = cursor === undefined ? 0 : found.findIndex(({ id }) => id < cursor)
    if (start < 0) return { events: [] }
    const events: InboxSummary[] = []
    let last: string | undefined
    for await (const { id, summary } of this.#summaries(found.slice(start), filter)) {
      if (events.length === limit) return { events, ...(last === undefined ? {} : { nextCursor: last }) }
      events.push(summary)
      last = id
    }
    return { events }
  }

  async get(
    eventId: string,
    { name = 'scrapenest' }: { readonly name?: string } = {},
  ): Promise<InboxRecord | undefined> {
    await this.#dropped()
    const [found] = await this.#findEvent(eventId, [name])
    if (found === undefined) return undefined
    const job = await this.#queues.answer(name, (queue) => queue.getJob(found.id))
    return job === undefined ? undefined : toRecord(job, found.state)
  }

  async stats({ name }: { readonly name?: string } = {}): Promise<InboxStats> {
    const names = name === undefined ? await this.#queues.names() : [name]
    const all = await Promise.all(names.map((one) => this.#statsOf(one)))
    const sum = (count: keyof Omit<InboxStats, 'oldestReadyAt'>): number =>
      all.reduce((total, stats) => total + stats[count], 0)
    const oldest = all.flatMap(({ oldestReadyAt }) => oldestReadyAt ?? []).sort((one, other) => +one - +other)[0]
    return {
      ready: sum('ready'),
      running: sum('running'),
      done: sum('done'),
      dead: sum('dead'),
      unhandled: sum('unhandled'),
      ...(oldest === undefined ? {} : { oldestReadyAt: oldest }),
    }
  }

  async replay(filter: ReplayFilter): Promise<ReplayResult> {
    checkReplayFilter(filter)
    await this.#dropped()
    let replayed = 0
    let withoutPayload = 0
    for (const { job, state, name } of await this.#select(filter)) {
      if (state !== 'done' && state !== 'dead') continue
      if (job.data.signedHeaders === undefined) withoutPayload += 1
      else replayed += Number(await this.#queues.answer(name, () => replayJob(job, state)))
    }
    return { replayed, withoutPayload }
  }

  async purge(filter: PurgeFilter): Promise<number> {
    checkPurgeFilter(filter)
    let purged = 0
    for (const { job, name } of await this.#select(filter)) {
      // One that was replayed in the meantime stays: it can be locked, or gone.
      purged += Number(await this.#queues.answer(name, () => job.remove().then(() => true)).catch(() => false))
    }
    return purged
  }

  async #openFor(consumer: InboxConsumer): Promise<void> {
    await this.#queues.list(consumer.name)
    const info = await this.#queues.answer(consumer.name, async (queue) => (await clientOf(queue))?.info?.())
    const problem = durabilityProblem(info ?? '')
    if (problem !== undefined) consumer.report(problem)
  }

  async #closeQueues(): Promise<void> {
    this.#workers.clear()
    await this.#queues.close()
  }

  async #dropped(): Promise<void> {
    for (const worker of this.#workers) await worker.dropped()
  }

  async #select(filter: InboxFilter): Promise<readonly { job: Job<JobData>; state: InboxState; name: string }[]> {
    const selected: { job: Job<JobData>; state: InboxState; name: string }[] = []
    for await (const { job, summary } of this.#summaries(await this.#find(filter), filter)) {
      selected.push({ job, state: summary.state, name: summary.name })
    }
    return selected
  }

  async *#summaries(
    found: readonly FoundJob[],
    filter: InboxFilter,
  ): AsyncGenerator<{ readonly id: string; readonly job: Job<JobData>; readonly summary: InboxSummary }> {
    for (let start = 0; start < found.length; start += batchLength) {
      const batch = found.slice(start, start + batchLength)
      const jobs = await Promise.all(batch.map(({ queue, id }) => queue.getJob(id)))
      for (const [index, job] of jobs.entries()) {
        // Deleted since its id was read.
        if (job === undefined) continue
        const { id, state } = batch[index] as FoundJob
        const summary = toSummary(job, state)
        if (fitsFilter(summary, filter)) yield { id, job, summary }
      }
    }
  }

  /** The jobs that can fit, by what Redis knows of them: name, id and state. */
  async #find(filter: InboxFilter): Promise<FoundJob[]> {
    const names = filter.name === undefined ? await this.#queues.names() : [filter.name]
    if (filter.eventId !== undefined) return await this.#findEvent(filter.eventId, names)
    const wanted = filter.state === undefined ? states : [filter.state]
    const found = await Promise.all(names.flatMap((name) => wanted.map((state) => this.#jobsIn(name, state))))
    return found.flat()
  }

  async #jobsIn(name: string, state: InboxState): Promise<FoundJob[]> {
    const ids = await this.#queues.answer(name, (queue) => queue.getRanges([...listsOf[state]], 0, -1))
    const queue = this.#queues.of(name)
    // A list holds a marker now and then, and a queue of the user's may hold other jobs.
    return ids.filter((id) => jobIdForm.test(id)).map((id) => ({ id, queue, state }))
  }

  async #findEvent(eventId: string, names: readonly string[]): Promise<FoundJob[]> {
    const found = await Promise.all(
      names.map(async (name): Promise<FoundJob[]> => {
        const remembered = await this.#queues.answer(name, async (queue) => {
          const id = await queue.getDeduplicationJobId(deduplicationId(eventId))
          return id === null ? undefined : { id, state: stateOf(await queue.getJobState(id)) }
        })
        const queue = this.#queues.of(name)
        if (remembered?.state !== undefined) return [{ id: remembered.id, queue, state: remembered.state }]
        if (remembered !== undefined) return []
        // Forgotten as a duplicate, and perhaps dead or waiting still.
        const all = await Promise.all(states.map((state) => this.#jobsIn(name, state)))
        return all.flat().filter(({ id }) => id.endsWith(jobIdSuffix(eventId)))
      }),
    )
    return found.flat()
  }

  async #statsOf(name: string): Promise<InboxStats> {
    return await this.#queues.answer(name, async (queue) => {
      const [counts, oldest, unhandled] = await Promise.all([
        queue.getJobCounts(...Object.values(listsOf).flat()),
        queue.getJobs(['wait'], 0, 0, true),
        countUnhandled(queue),
      ])
      const count = (state: InboxState): number =>
        listsOf[state].reduce((total, list) => total + (counts[list] ?? 0), 0)
      const [first] = oldest
      const since = first === undefined ? undefined : new Date(notesOf(first).dueAt ?? first.timestamp)
      return {
        ready: count('ready'),
        running: count('running'),
        done: count('done'),
        dead: count('dead'),
        unhandled,
        ...(since === undefined ? {} : { oldestReadyAt: since }),
      }
    })
  }
}

/** @returns false when somebody else replayed or deleted it in the meantime. */
async function replayJob(job: Job<JobData>, state: 'done' | 'dead'): Promise<boolean> {
  const { replays = 0, failed } = notesOf(job)
  const notes = { replays: replays + 1, stalls: job.stalledCounter, dueAt: Date.now(), ...(failed && { failed }) }
  try {
    await writeNotes(job, notes)
    await job.retry(state === 'done' ? 'completed' : 'failed', { resetAttemptsMade: true, resetAttemptsStarted: true })
    return true
  } catch (error) {
    // BullMQ's codes for a job that is gone, or no longer in this list.
    if (error instanceof Error && 'code' in error && (error.code === -1 || error.code === -3)) return false
    throw error
  }
}

function stateOf(state: string): InboxState | undefined {
  if (state === 'waiting') return 'ready'
  return states.find((one) => listsOf[one].some((list) => list === state))
}

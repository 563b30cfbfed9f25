import type { InboxConsumer, InboxEvent } from '@scrapenest-webhooks/core'
import {
  type Inbox,
  type InboxCapabilities,
  type InboxFilter,
  type InboxGetOptions,
  type InboxPage,
  type InboxQuery,
  type InboxRecord,
  type InboxState,
  type InboxStats,
  type InboxSummary,
  InboxUnavailableError,
  type PurgeFilter,
  type ReplayFilter,
  type ReplayResult,
} from '@scrapenest-webhooks/inbox'
import {
  checkPurgeFilter,
  checkReplayFilter,
  type EventIdentity,
  fitsFilter,
  InboxConsumers,
  type InboxSettings,
  isPermanent,
  readIdentity,
  readQuery,
  readStatsOptions,
  toEventJson,
} from '@scrapenest-webhooks/inbox/kit'
import { deduplicationId, eventKeyOf, newJobId } from './jobs/job-data.ts'
import { listsOf, readIds, stateOf, states } from './jobs/job-lists.ts'
import { type EventJob, notesOf, writeNotes } from './jobs/job-notes.ts'
import { cursorForm, type QueueReader, readPage } from './jobs/job-pages.ts'
import { readJob, toRecord, toSummary } from './jobs/job-record.ts'
import { falseIfRefused, jobRefusalOf } from './jobs/job-refusal.ts'
import { makeDue } from './jobs/make-due.ts'
import { oldestReadyAt } from './jobs/oldest-ready.ts'
import { countUnhandled } from './jobs/unhandled-count.ts'
import { QueueWorker } from './queue-worker.ts'
import { clientOf, type Queues } from './redis/queues.ts'
import { durabilityProblem } from './redis/redis-durability.ts'

export interface QueueInboxSettings extends InboxSettings {
  readonly rememberMs: number
}

/** Number of jobs per read. */
const batchLength = 100

interface FoundJob {
  readonly id: string
  readonly name: string
  readonly state: InboxState
}

/** The inbox contract on BullMQ's queues. BullMQ claims and retries; `Attempts` runs the handlers. */
export class QueueInbox implements Inbox {
  readonly capabilities: InboxCapabilities = {
    isDurable: true,
    isShared: true,
    attempts: 'last',
    listOrder: 'state',
    canTakeClock: false,
  }
  readonly #queues: Queues
  readonly #settings: QueueInboxSettings
  readonly #consumers = new InboxConsumers<QueueWorker>({ closeStore: () => this.#closeQueues() })
  readonly #workers = new Set<QueueWorker>()
  /** Why a name cannot be opened. `put` rejects with this error, because the events would be stored but never handled. */
  readonly #refusals = new Map<string, unknown>()
  readonly #jobOptions: object

  constructor(queues: Queues, settings: QueueInboxSettings) {
    this.#queues = queues
    this.#settings = settings
    this.#jobOptions = {
      // The worker decides when an event is dead, by its own `maxAttempts`, which may have changed since.
      attempts: Number.MAX_SAFE_INTEGER,
      backoff: { type: 'custom' },
      // BullMQ deletes done jobs by age but keeps their deduplication keys.
      removeOnComplete: { age: Math.ceil(settings.keepDoneMs / 1000) },
      removeOnFail: false,
      stackTraceLimit: 1,
    }
  }

  async put(event: InboxEvent): Promise<'stored' | 'duplicate'> {
    const { name } = event
    const refusal = this.#refusals.get(name)
    if (refusal !== undefined) throw refusal
    const id = deduplicationId(event)
    const jobId = newJobId(id)
    const data = toEventJson(event)
    const options = { ...this.#jobOptions, jobId, deduplication: { id, ttl: this.#settings.rememberMs } }
    const [listing, job] = await Promise.all([
      this.#queues.list(name),
      this.#queues.answer(name, (queue) => queue.add(event.eventType, data, options)),
    ])
    if (listing === 'lost') this.#reportLoss(name)
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
    const { filter, limit, cursor } = readQuery(query, cursorForm)
    const names = await this.#namesIn(filter)
    if (filter.eventId === undefined) {
      const read: QueueReader = (name, ask) => this.#queues.answer(name, ask)
      return await readPage(names, read, { filter, limit, cursor })
    }
    // There is one event per name and scope at most, so one page is enough.
    const events: InboxSummary[] = []
    for await (const { summary } of this.#select(filter)) events.push(summary)
    return { events }
  }

  async get(eventId: string, options?: InboxGetOptions): Promise<InboxRecord | undefined> {
    const identity = readIdentity(eventId, options)
    const { name } = identity
    await this.#dropped()
    const [found] = await this.#findEvent(identity)
    if (found === undefined) return undefined
    const job = await this.#queues.answer(name, (queue) => readJob(queue, found.id))
    return job === undefined ? undefined : toRecord(job, found.state)
  }

  async stats(options?: { readonly name?: string }): Promise<InboxStats> {
    const name = readStatsOptions(options)
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
    for await (const { job, summary } of this.#select(filter)) {
      const { state, name } = summary
      if (state === 'ready') replayed += Number(await this.#queues.answer(name, () => makeDue(job)))
      if (state !== 'done' && state !== 'dead') continue
      if (job.data.signedHeaders === undefined) withoutPayload += 1
      else replayed += Number(await this.#queues.answer(name, () => replayJob(job, state)))
    }
    return { replayed, withoutPayload }
  }

  async purge(filter: PurgeFilter): Promise<number> {
    checkPurgeFilter(filter)
    let purged = 0
    for await (const { job, summary } of this.#select(filter)) {
      purged += Number(await this.#queues.answer(summary.name, () => purgeJob(job)))
    }
    return purged
  }

  async #openFor(consumer: InboxConsumer): Promise<void> {
    const { name } = consumer
    try {
      await this.#queues.check(name, { isStart: true })
      await this.#queues.list(name)
      if (consumer.process !== undefined) await this.#queues.checkWaiting(name)
      this.#refusals.delete(name)
    } catch (error) {
      if (isPermanent(error)) this.#refusals.set(name, error)
      throw error
    }
    const info = await this.#queues.answer(name, async (queue) => (await clientOf(queue))?.info?.())
    const problem = durabilityProblem(info ?? '')
    if (problem !== undefined) consumer.report(problem)
  }

  #reportLoss(name: string): void {
    const error = new InboxUnavailableError(
      'corrupt',
      'Redis has lost its data, through FLUSHALL, or a restart or failover without persistence. Acknowledged events that ' +
        'were not handled yet are lost. New events are stored.',
    )
    for (const consumer of this.#consumers.all()) if (consumer.name === name) consumer.report(error)
  }

  async #closeQueues(): Promise<void> {
    this.#workers.clear()
    this.#refusals.clear()
    await this.#queues.close()
  }

  async #dropped(): Promise<void> {
    for (const worker of this.#workers) await worker.dropped()
  }

  /** Yields the selected events with their jobs. Reads all ids first, because replaying and purging change the lists. */
  async *#select(filter: InboxFilter): AsyncGenerator<{ readonly job: EventJob; readonly summary: InboxSummary }> {
    const found = await this.#find(filter)
    for (let start = 0; start < found.length; start += batchLength) {
      const batch = found.slice(start, start + batchLength)
      const jobs = await Promise.all(
        batch.map(({ name, id }) => this.#queues.answer(name, (queue) => readJob(queue, id))),
      )
      for (const [index, { state }] of batch.entries()) {
        const job = jobs[index]
        // The job was deleted after its id was read.
        if (job === undefined) continue
        const summary = toSummary(job, state)
        if (fitsFilter(summary, filter)) yield { job, summary }
      }
    }
  }

  async #namesIn({ name }: InboxFilter): Promise<readonly string[]> {
    return name === undefined ? await this.#queues.names() : [name]
  }

  /** The jobs that match the filter by name, id and state. */
  async #find(filter: InboxFilter): Promise<readonly FoundJob[]> {
    const names = await this.#namesIn(filter)
    const { eventId, scope } = filter
    if (eventId !== undefined && scope !== undefined) {
      return (await Promise.all(names.map((name) => this.#findEvent({ name, scope, eventId })))).flat()
    }
    const selected = filter.state === undefined ? states : [filter.state]
    const found = await Promise.all(names.flatMap((name) => selected.map((state) => this.#jobsIn(name, state))))
    return found.flat()
  }

  async #jobsIn(name: string, state: InboxState): Promise<readonly FoundJob[]> {
    const ids = await this.#queues.answer(name, (queue) => readIds(queue, state))
    return ids.map((id) => ({ id, name, state }))
  }

  async #findEvent(identity: EventIdentity): Promise<readonly FoundJob[]> {
    const { name } = identity
    const key = deduplicationId(identity)
    const remembered = await this.#queues.answer(name, async (queue) => {
      const id = await queue.getDeduplicationJobId(key)
      return id === null ? undefined : { id, state: stateOf(await queue.getJobState(id)) }
    })
    if (remembered?.state !== undefined) return [{ id: remembered.id, name, state: remembered.state }]
    if (remembered !== undefined) return []
    // Duplicates of the event are no longer recognized, but the event may still be waiting or dead.
    const all = await Promise.all(states.map((state) => this.#jobsIn(name, state)))
    return all.flat().filter(({ id }) => eventKeyOf(id) === key)
  }

  async #statsOf(name: string): Promise<InboxStats> {
    return await this.#queues.answer(name, async (queue) => {
      const [counts, oldest, unhandled] = await Promise.all([
        queue.getJobCounts(...Object.values(listsOf).flat()),
        oldestReadyAt(queue),
        countUnhandled(queue),
      ])
      const count = (state: InboxState): number =>
        listsOf[state].reduce((total, list) => total + (counts[list] ?? 0), 0)
      return {
        ready: count('ready'),
        running: count('running'),
        done: count('done'),
        dead: count('dead'),
        unhandled,
        ...(oldest === undefined ? {} : { oldestReadyAt: oldest }),
      }
    })
  }
}

/** @returns false if the job was replayed or deleted in the meantime. */
async function purgeJob(job: EventJob): Promise<boolean> {
  if (!(await job.isCompleted()) && !(await job.isFailed())) return false
  return await job.remove().then(
    () => true,
    (error: unknown) => falseIfRefused(error),
  )
}

/** @returns false if the job was replayed or deleted elsewhere in the meantime. */
async function replayJob(job: EventJob, state: 'done' | 'dead'): Promise<boolean> {
  const { replays = 0, failed } = notesOf(job)
  const notes = { replays: replays + 1, stalls: job.stalledCounter, dueAt: Date.now(), ...(failed && { failed }) }
  try {
    await writeNotes(job, notes)
    await job.retry(state === 'done' ? 'completed' : 'failed', { resetAttemptsMade: true, resetAttemptsStarted: true })
    return true
  } catch (error) {
    // Gone, or no longer in this list.
    if ([-1, -3].includes(jobRefusalOf(error) ?? 0)) return false
    throw error
  }
}

import type { InboxConsumer } from '@scrapenest-webhooks/core'
import { messageOf } from '@scrapenest-webhooks/core/adapter'
import { type AttemptError, InboxUnavailableError } from '@scrapenest-webhooks/inbox'
import {
  Attempts,
  type ClaimedEvent,
  ClockWatch,
  type CloseBudget,
  type ConsumerWork,
  type EndedAttempt,
  type Ending,
  endingOfExpired,
  fromEventJson,
  type InboxSettings,
  jumpMessage,
  leaseEnded,
  Outage,
  withoutPayload,
} from '@scrapenest-webhooks/inbox/kit'
import { type RedisQueueBackend, UnrecoverableError, WaitingError } from 'bullmq'
import { EventWorker, later, recoveryDelayMs } from './event-worker.ts'
import { eventKeyOf, readEvent, toUnreadable } from './jobs/job-data.ts'
import { type EventJob, type JobNotes, notesOf, writeNotes } from './jobs/job-notes.ts'
import { jobRefusalOf } from './jobs/job-refusal.ts'
import { makeMisdatedDue } from './jobs/make-due.ts'
import { isClient } from './redis/connection.ts'
import { clientOf, type Queues } from './redis/queues.ts'
import { unavailable } from './redis/redis-faults.ts'
import { dropIfSilent } from './redis/silent-connection.ts'

/** How often the connection is checked for silence, in milliseconds. */
const checkIntervalMs = 3000

/** How far the clocks of processes may differ, in milliseconds. */
const clockSlackMs = 60_000

/** Tells BullMQ that a job has been dealt with. One for all jobs, because creating an error is slow. */
const dealtWith = new WaitingError()

/**
 * Runs the handlers of one receiver. BullMQ's worker claims events. This class renews their leases and ends the attempts.
 */
export class QueueWorker implements ConsumerWork {
  readonly #consumer: InboxConsumer
  readonly #settings: InboxSettings
  readonly #attempts: Attempts
  readonly #queues: Queues
  readonly #worker: EventWorker
  /** Events that are being recorded as done, before their payload is dropped. */
  readonly #dropping = new Set<Promise<unknown>>()
  readonly #isConnectionOwned: boolean
  readonly #checking: NodeJS.Timeout
  readonly #renewing: NodeJS.Timeout
  readonly #clock: ClockWatch
  readonly #outage: Outage
  #isClosed = false

  constructor(queues: Queues, options: { readonly consumer: InboxConsumer; readonly settings: InboxSettings }) {
    this.#consumer = options.consumer
    this.#settings = options.settings
    this.#attempts = new Attempts(options)
    this.#outage = new Outage(options.consumer)
    this.#queues = queues
    const { concurrency, leaseMs } = options.settings
    const { queueName, options: connection } = queues.workerOptions(options.consumer.name)
    this.#worker = new EventWorker(queueName, (job, token) => this.#process(job, token as string), {
      ...connection,
      concurrency,
      lockDuration: leaseMs,
      skipLockRenewal: true,
      stalledInterval: Math.max(10, Math.round(leaseMs / 2)),
      // Each claim counts as an attempt, so `maxAttempts` also limits how many processes an event can kill (`#endStalled`).
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      runRetryDelay: recoveryDelayMs,
      settings: { backoffStrategy: (_failed, _type, error) => (error instanceof RetryError ? error.delayMs : 60_000) },
    })
    this.#listen()
    this.#isConnectionOwned = !isClient(connection.connection)
    this.#clock = new ClockWatch(options.settings)
    this.#checking = setInterval(() => this.#check(), checkIntervalMs).unref()
    this.#renewing = setInterval(() => void this.#renew(), leaseMs / 3).unref()
  }

  /** Resolves when all payloads have been dropped, or Redis takes too long. */
  async dropped(): Promise<void> {
    if (this.#dropping.size > 0) await Promise.race([Promise.allSettled(this.#dropping), later(recoveryDelayMs)])
  }

  async close(budget: CloseBudget): Promise<void> {
    clearInterval(this.#checking)
    // BullMQ stops claiming. Events that are being claimed right now are released.
    void this.#worker.pause(true).catch(() => {})
    await budget.waitFor(this.#attempts.close(budget))
    // Forced if Redis is unavailable, because an ordinary close would wait until it is back.
    const closing = this.#worker.close(!(await this.#isReachable())).then(() => true)
    const isWorkerClosed = await Promise.race([closing, later(recoveryDelayMs * 2)])
    this.#isClosed = true
    clearInterval(this.#renewing)
    if (!isWorkerClosed && this.#isConnectionOwned) this.#disconnect()
    await this.dropped()
  }

  async #isReachable(): Promise<boolean> {
    if (this.#outage.isOngoing) return false
    return await this.#queues.check(this.#consumer.name).then(
      () => true,
      () => false,
    )
  }

  /** Closes the connections, even if BullMQ's `close` is still waiting. */
  #disconnect(): void {
    const { client, blockingClient } = this.#worker.getBackend() as RedisQueueBackend
    for (const connecting of [client, blockingClient]) {
      // While connecting there is no client yet. BullMQ's `close` below ends that attempt.
      void connecting?.then((connected) => connected.disconnect()).catch(() => {})
    }
    void this.#worker
      .getBackend()
      .close(true)
      .catch(() => {})
  }

  #check(): void {
    if (this.#isConnectionOwned) void dropIfSilent(clientOf(this.#worker))
    const jumpMs = this.#clock.jump()
    if (jumpMs === 0) return
    this.#consumer.note?.(jumpMessage(jumpMs))
    if (jumpMs < 0) void this.#makeMisdatedDue()
  }

  /** Needed because BullMQ uses this process's clock to decide which delayed jobs are due. Retries until Redis answers. */
  async #makeMisdatedDue(): Promise<void> {
    const latestMs = this.#settings.now() + clockSlackMs
    while (!this.#isClosed) {
      try {
        return await makeMisdatedDue((query) => this.#queues.answer(this.#consumer.name, query), latestMs)
      } catch {
        // The worker itself reports the outage.
        await later(recoveryDelayMs)
      }
    }
  }

  #listen(): void {
    const worker = this.#worker
    worker.on('ready', () => this.#outage.ended())
    worker.on('active', () => this.#outage.ended())
    worker.on('error', (error) => this.#failed(error))
  }

  #failed(error: unknown): void {
    // Not an outage. A job whose lock is lost belongs to another worker.
    if (/Missing lock|Lock mismatch|not in the active state/i.test(messageOf(error))) return
    this.#outage.failed(unavailable(error))
  }

  /**
   * Renews the leases of this process. BullMQ would do so by wall time, and not at all for as long as the clock was set back.
   * A renewal that fails is retried at the next interval. In the meantime the lease runs down.
   */
  async #renew(): Promise<void> {
    // After a stall, this timer may fire before the one that marks leases as lost. Extending lost leases would delay their
    // events.
    this.#attempts.loseEndedLeases()
    const attempts = this.#attempts.held
    if (attempts.length === 0) return
    const leases = attempts.map(({ claimed }) => claimed.lease)
    const ids = leases.map(({ id }) => id)
    const tokens = leases.map(({ token }) => token)
    const sentAtMs = performance.now()
    try {
      const lost = new Set(await this.#worker.extendJobLocks(ids, tokens, this.#settings.leaseMs))
      for (const attempt of attempts) {
        if (!lost.has(attempt.claimed.lease.id)) attempt.renewLease(sentAtMs)
        // An attempt that was recorded in the meantime has no lease and needs none.
        else if (this.#attempts.holds(attempt)) attempt.loseLease()
      }
    } catch (error) {
      this.#failed(error)
    }
  }

  /**
   * Called by BullMQ. Ends the job itself rather than by returning a result: if Redis refused to record a success, BullMQ
   * would fail the job or drop the result.
   */
  async #process(job: EventJob, token: string): Promise<never> {
    const claimedAtMs = performance.now()
    const notes = notesOf(job)
    const attempt = job.attemptsStarted - (notes.uncounted ?? 0)
    const event = readEvent(job.data)
    if (event === undefined) {
      await this.#endUnreadable(job, { token, claimedAtMs, notes, attempt })
      throw dealtWith
    }
    const claimed: ClaimedEvent = { lease: { id: job.id as string, token }, event, attempt }
    if (job.stalledCounter > (notes.stalls ?? 0)) await this.#endStalled(job, { notes, claimed, claimedAtMs })
    else await this.#attempts.run(claimed, { claimedAtMs, finish: (ended) => this.#settle(job, { notes, ended }) })
    throw dealtWith
  }

  async #settle(job: EventJob, { notes, ended }: { notes: JobNotes; ended: EndedAttempt }): Promise<void> {
    const { ending, claimed } = ended
    const { token } = claimed.lease
    const recordable = { job, state: ending.state, isHeld: ended.isHeld }
    if (ending.state === 'done') {
      const result = { isUnhandled: ending.isUnhandled }
      const recording = this.#record(recordable, () => job.moveToCompleted(result, token, false))
      await (ending.keepsPayload ? recording : this.#dropAfter(recording, job))
    } else if (ending.state === 'ready' && !ending.isCounted) {
      await this.#record(recordable, async () => {
        await writeNotes(job, { ...notes, uncounted: (notes.uncounted ?? 0) + 1 })
        await job.moveToWait(token)
      })
    } else {
      const { attempt } = claimed
      if (await this.#record(recordable, () => fail(job, { token, notes, ending, attempt }))) ended.report()
    }
  }

  /** Ends an attempt whose process died or stalled. The job is delayed as after any failure (see `endingOfExpired`). */
  async #endStalled(
    job: EventJob,
    { notes, claimed, claimedAtMs }: { notes: JobNotes; claimed: ClaimedEvent; claimedAtMs: number },
  ): Promise<void> {
    const { token } = claimed.lease
    const died: ClaimedEvent = { ...claimed, attempt: claimed.attempt - 1 }
    const startedAtMs = notes.dueAt ?? job.timestamp
    const ending = endingOfExpired({ ...died, startedAtMs }, { settings: this.#settings, consumer: this.#consumer })
    const settled = { ...notes, stalls: job.stalledCounter, uncounted: (notes.uncounted ?? 0) + 1 }
    const recordable = { job, state: ending.state, isHeld: this.#untilLeaseEnds(claimedAtMs) }
    const isRecorded = await this.#record(recordable, async () => {
      if (ending.state === 'dead') return await fail(job, { token, notes: settled, ending, attempt: died.attempt })
      if (ending.state !== 'ready') return
      const facts = { attempt: died.attempt, replay: notes.replays ?? 0, startedAt: startedAtMs, durationMs: 0 }
      await writeNotes(job, { ...settled, dueAt: ending.dueAtMs, failed: { ...facts, error: leaseEnded } })
      await job.moveToDelayed(ending.dueAtMs, token)
    })
    if (isRecorded) this.#attempts.reportExpired(died, ending)
  }

  /**
   * Ends a job whose data was evicted or lost by Redis, or changed by another program. The event becomes dead, and its
   * deduplication key is removed, so the sender's retry is stored.
   */
  async #endUnreadable(
    job: EventJob,
    { token, claimedAtMs, notes, attempt }: { token: string; claimedAtMs: number; notes: JobNotes; attempt: number },
  ): Promise<void> {
    const { name } = this.#consumer
    const jobId = job.id as string
    const key = eventKeyOf(jobId)
    const data = toUnreadable(job, { name })
    const message = `The data of event ${data.eventId} is missing or damaged in Redis, so it cannot be handled.`
    const error: AttemptError = { code: 'event_unreadable', name: 'InboxUnavailableError', message }
    const nowMs = this.#settings.now()
    const recordable = { job, state: 'dead', isHeld: this.#untilLeaseEnds(claimedAtMs) } as const
    const isRecorded = await this.#record(recordable, async () => {
      await job.updateData(data)
      if (key !== undefined) await this.#queues.forget(name, { key, jobId })
      await fail(job, { token, notes, ending: { state: 'dead', startedAtMs: nowMs, nowMs, error }, attempt })
    })
    if (!isRecorded) return
    const cure = 'It is dead. A retry by the sender will be stored again. Set maxmemory-policy noeviction.'
    this.#consumer.report(new InboxUnavailableError('corrupt', `${message} ${cure}`), fromEventJson(data))
  }

  #untilLeaseEnds(claimedAtMs: number): () => boolean {
    return () => performance.now() < claimedAtMs + this.#settings.leaseMs
  }

  /**
   * Records how a job ended. Retries until the lease expires, because Redis can refuse writes for seconds, during a failover
   * or while it is full.
   *
   * @returns false if the lease expired first, or another worker has ended the job.
   */
  async #record({ job, state, isHeld }: Recordable, write: () => Promise<unknown>): Promise<boolean> {
    while (isHeld() && !this.#isClosed) {
      try {
        await write()
        this.#outage.ended()
        return true
      } catch (error) {
        if (jobRefusalOf(error) !== undefined) return await hasEnded(job, state)
        this.#failed(error)
        await later(recoveryDelayMs)
      }
    }
    return false
  }

  async #dropAfter(recording: Promise<boolean>, job: EventJob): Promise<void> {
    const dropping = recording.then((isRecorded) => (isRecorded ? job.updateData(withoutPayload(job.data)) : undefined))
    this.#dropping.add(dropping)
    // If the payload could not be dropped, it is deleted with the job after keepDoneMs.
    await dropping.catch(() => {})
    this.#dropping.delete(dropping)
  }
}

/** A job whose result is to be recorded while its lease is held. */
interface Recordable {
  readonly job: EventJob
  readonly state: Ending['state']
  readonly isHeld: () => boolean
}

/** Whether an earlier try was recorded and only the reply was lost with the connection. */
async function hasEnded(job: EventJob, state: Ending['state']): Promise<boolean> {
  if (state === 'ready') return false
  return await (state === 'done' ? job.isCompleted() : job.isFailed()).catch(() => false)
}

/** Ends an attempt that failed: the job is delayed, or moved to the failed set. */
async function fail(
  job: EventJob,
  {
    token,
    notes,
    ending,
    attempt,
  }: { readonly token: string; readonly notes: JobNotes; readonly ending: Ending; readonly attempt: number },
): Promise<void> {
  const { startedAtMs: startedAt, nowMs, error = leaseEnded } = ending
  const durationMs = Math.max(0, nowMs - startedAt)
  const dueAt = ending.state === 'ready' ? { dueAt: ending.dueAtMs } : {}
  const failed = { attempt, replay: notes.replays ?? 0, startedAt, durationMs, error }
  await writeNotes(job, { ...notes, ...dueAt, failed })
  const failure =
    ending.state === 'ready' ? new RetryError(ending.dueAtMs - nowMs) : new UnrecoverableError(error.message)
  // Dashboards show this message for a failed job.
  failure.message = `${error.code}: ${error.message}`
  failure.stack = error.stack ?? failure.message
  await job.moveToFailed(failure, token, false)
}

/** A failure after which the job is retried. */
class RetryError extends Error {
  readonly delayMs: number
  constructor(delayMs: number) {
    super()
    this.delayMs = delayMs
  }
}

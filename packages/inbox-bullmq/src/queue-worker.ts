import type { InboxConsumer } from '@scrapenest-webhooks/core'
import {
  Attempts,
  type ClaimedEvent,
  type CloseBudget,
  type ConsumerWork,
  type EndedAttempt,
  type Ending,
  endingOfExpired,
  fromEventJson,
  type InboxSettings,
  leaseEnded,
  withoutPayload,
} from '@scrapenest-webhooks/inbox/kit'
import { DelayedError, UnrecoverableError, WaitingError, Worker } from 'bullmq'
import type { JobData } from './jobs/job-data.ts'
import { type EventJob, type JobNotes, type JobResult, notesOf, writeNotes } from './jobs/job-notes.ts'
import type { Queues } from './redis/queues.ts'
import { unavailable } from './redis/redis-faults.ts'

/** BullMQ's own pause after a failed command, in milliseconds: short, so that it recovers soon. */
const recoveryDelayMs = 500

/** A worker of BullMQ that runs the handlers of one receiver. */
export class QueueWorker implements ConsumerWork {
  readonly #consumer: InboxConsumer
  readonly #settings: InboxSettings
  readonly #attempts: Attempts
  readonly #worker: Worker<JobData, JobResult>
  /** What to report about a job once BullMQ has recorded how it ended. */
  readonly #reports = new WeakMap<EventJob, () => void>()
  /** Updates that drop payloads, in progress. */
  readonly #dropping = new Set<Promise<unknown>>()
  readonly #ownsConnection: boolean
  #isUnavailable = false

  constructor(queues: Queues, options: { readonly consumer: InboxConsumer; readonly settings: InboxSettings }) {
    this.#consumer = options.consumer
    this.#settings = options.settings
    this.#attempts = new Attempts(options)
    this.#ownsConnection = queues.ownsConnections
    const { concurrency, leaseMs } = options.settings
    const { queueName, options: connection } = queues.workerOptions(options.consumer.name)
    this.#worker = new Worker<JobData, JobResult>(queueName, (job, token) => this.#process(job, token as string), {
      ...connection,
      concurrency,
      lockDuration: leaseMs,
      stalledInterval: Math.max(10, Math.round(leaseMs / 2)),
      // `maxAttempts` bounds how many processes an event may kill, and is counted at each claim, below.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      runRetryDelay: recoveryDelayMs,
      settings: { backoffStrategy: (_failed, _type, error) => (error instanceof RetryError ? error.delayMs : 60_000) },
    })
    this.#listen()
  }

  /** Resolves when no payload is being dropped. */
  async dropped(): Promise<void> {
    await Promise.allSettled(this.#dropping)
  }

  async close(budget: CloseBudget): Promise<void> {
    // From here on BullMQ claims nothing, and waits for the attempts that are ended below.
    let isClosed = false
    const closing = this.#worker.close(this.#isUnavailable).then(() => {
      isClosed = true
    })
    await budget.waitFor(this.#attempts.close(budget))
    await budget.waitFor(Promise.race([closing, later(recoveryDelayMs * 2)]))
    // Redis is unavailable: the locks expire.
    if (!isClosed && this.#ownsConnection) {
      await Promise.race([this.#worker.disconnect().catch(() => {}), later(recoveryDelayMs)])
    }
    await this.dropped()
  }

  #listen(): void {
    const worker = this.#worker
    worker.on('locksRenewed', ({ jobIds }: { jobIds: string[] }) => this.#renewed(new Set(jobIds)))
    worker.on('lockRenewalFailed', (jobIds: string[]) => this.#lost(new Set(jobIds)))
    worker.on('ready', () => this.#reached())
    worker.on('active', () => this.#reached())
    worker.on('error', (error) => this.#failed(error))
    worker.on('completed', (job) => {
      if (!this.#settings.keepPayload && !job.returnvalue?.isUnhandled) this.#drop(job)
    })
    worker.on('failed', (job) => {
      if (job !== undefined) this.#reports.get(job)?.()
    })
  }

  /** Told once, until Redis has answered again. */
  #failed(error: Error): void {
    // Lost leases have their own way, and a job whose lock is lost was ended by somebody else.
    if (/could not renew lock|Missing lock|Lock mismatch|not in the active state/i.test(error.message)) return
    if (!this.#isUnavailable) this.#consumer.report(unavailable(error))
    this.#isUnavailable = true
  }

  #reached(): void {
    this.#isUnavailable = false
  }

  #renewed(jobIds: ReadonlySet<string>): void {
    for (const attempt of this.#attempts.held) {
      if (jobIds.has(attempt.claimed.lease.id)) attempt.renewLease(performance.now())
    }
  }

  #lost(jobIds: ReadonlySet<string>): void {
    for (const attempt of this.#attempts.held) {
      if (jobIds.has(attempt.claimed.lease.id)) attempt.loseLease()
    }
  }

  /** Called by BullMQ: what it returns completes the job, and what it throws says what else becomes of it. */
  async #process(job: EventJob, token: string): Promise<JobResult> {
    const notes = notesOf(job)
    const attempt = job.attemptsStarted - (notes.uncounted ?? 0)
    const claimed: ClaimedEvent = {
      lease: { id: job.id as string, token },
      event: fromEventJson(job.data),
      attempt,
    }
    if (job.stalledCounter > (notes.stalls ?? 0)) return await this.#endStalled(job, { notes, claimed })
    const claimedAtMs = performance.now()
    return await this.#attempts.run(claimed, { claimedAtMs, finish: (ended) => this.#settle(job, { notes, ended }) })
  }

  async #settle(job: EventJob, { notes, ended }: { notes: JobNotes; ended: EndedAttempt }): Promise<JobResult> {
    const { ending, claimed } = ended
    if (ending.state === 'done') return { isUnhandled: ending.isUnhandled }
    // Another worker may have the job. Redis refuses whatever is thrown here, because the lock is not ours.
    if (ended.isLeaseLost) throw new UnrecoverableError('The lease was lost.')
    if (ending.state === 'ready' && !ending.isCounted) {
      await writeNotes(job, { ...notes, uncounted: (notes.uncounted ?? 0) + 1 })
      await job.moveToWait(claimed.lease.token)
      throw new WaitingError()
    }
    this.#reports.set(job, () => ended.report())
    return await this.#fail(job, { notes, ending, attempt: claimed.attempt })
  }

  /** The process that had the job died or stalled. The job itself is delayed as after any failure: see `endingOfExpired`. */
  async #endStalled(
    job: EventJob,
    { notes, claimed }: { readonly notes: JobNotes; readonly claimed: ClaimedEvent },
  ): Promise<JobResult> {
    const died: ClaimedEvent = { ...claimed, attempt: claimed.attempt - 1 }
    const startedAtMs = notes.dueAt ?? job.timestamp
    const ending = endingOfExpired({ ...died, startedAtMs }, this.#settings)
    const settled = { ...notes, stalls: job.stalledCounter, uncounted: (notes.uncounted ?? 0) + 1 }
    if (ending.state === 'ready') {
      const facts = { attempt: died.attempt, replay: notes.replays ?? 0, startedAt: startedAtMs, durationMs: 0 }
      await writeNotes(job, { ...settled, dueAt: ending.dueAtMs, failed: { ...facts, error: leaseEnded } })
      await job.moveToDelayed(ending.dueAtMs, claimed.lease.token)
      throw new DelayedError()
    }
    this.#reports.set(job, () => this.#attempts.reportIfDead(died, ending))
    return await this.#fail(job, { notes: settled, ending, attempt: died.attempt })
  }

  async #fail(
    job: EventJob,
    { notes, ending, attempt }: { readonly notes: JobNotes; readonly ending: Ending; readonly attempt: number },
  ): Promise<never> {
    const { startedAtMs: startedAt, nowMs, error = leaseEnded } = ending
    const durationMs = Math.max(0, nowMs - startedAt)
    const dueAt = ending.state === 'ready' ? { dueAt: ending.dueAtMs } : {}
    const failed = { attempt, replay: notes.replays ?? 0, startedAt, durationMs, error }
    await writeNotes(job, { ...notes, ...dueAt, failed })
    const failure =
      ending.state === 'ready' ? new RetryError(ending.dueAtMs - nowMs) : new UnrecoverableError(error.message)
    // What pages that list jobs show of a failed one.
    failure.message = `${error.code}: ${error.message}`
    failure.stack = error.stack ?? failure.message
    throw failure
  }

  #drop(job: EventJob): void {
    const dropping = job.updateData(withoutPayload(job.data)).catch(() => {
      // It is deleted with the job, after keepDoneMs.
    })
    this.#dropping.add(dropping)
    void dropping.finally(() => this.#dropping.delete(dropping))
  }
}

/** A failure after which the job is tried again. */
class RetryError extends Error {
  readonly delayMs: number
  constructor(delayMs: number) {
    super()
    this.delayMs = delayMs
  }
}

async function later(delayMs: number): Promise<false> {
  return await new Promise((resolve) => setTimeout(() => resolve(false), delayMs).unref())
}

import type { InboxConsumer } from '@scrapenest-webhooks/core'
import {
  type ClaimedEvent,
  type CloseBudget,
  type ConsumerWork,
  type EndedAttempt,
  type Ending,
  EngineAttempts,
  endingOfExpired,
  leaseEnded,
} from '@scrapenest-webhooks/inbox/engine'
import { DelayedError, type Job, UnrecoverableError, WaitingError, Worker } from 'bullmq'
import { type JobData, type JobNotes, type JobResult, toEvent, withoutPayload } from './job-data.ts'
import type { QueueInboxSettings } from './queue-inbox.ts'
import type { Queues } from './queues.ts'
import { unavailable } from './redis-faults.ts'

type EventJob = Job<JobData, JobResult>

/** BullMQ's own wait after a failed command, in milliseconds: what recovers without a restart should do so soon. */
const recoveryDelayMs = 500

/** A worker of BullMQ that runs the handlers of one receiver. */
export class QueueWorker implements ConsumerWork {
  readonly #consumer: InboxConsumer
  readonly #settings: QueueInboxSettings
  readonly #attempts: EngineAttempts
  readonly #worker: Worker<JobData, JobResult>
  /** What to tell of a job once BullMQ has recorded how it ended. */
  readonly #tales = new WeakMap<EventJob, () => void>()
  /** Payloads that are being dropped. */
  readonly #dropping = new Set<Promise<unknown>>()
  readonly #ownsConnection: boolean
  #isOut = false

  constructor(queues: Queues, options: { readonly consumer: InboxConsumer; readonly settings: QueueInboxSettings }) {
    this.#consumer = options.consumer
    this.#settings = options.settings
    this.#attempts = new EngineAttempts(options)
    this.#ownsConnection = queues.ownsConnections
    const { concurrency, leaseMs } = options.settings
    const { queueName, options: connection } = queues.workerOptions(options.consumer.name)
    this.#worker = new Worker<JobData, JobResult>(queueName, (job, token) => this.#process(job, token as string), {
      ...connection,
      concurrency,
      lockDuration: leaseMs,
      stalledInterval: Math.max(10, Math.round(leaseMs / 2)),
      // The number of deaths an event may cause is maxAttempts, and it is counted at each claim, below.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      runRetryDelay: recoveryDelayMs,
      settings: { backoffStrategy: (_failed, _type, error) => (error instanceof RetryError ? error.delayMs : 60_000) },
    })
    this.#listen()
  }

  /** Resolves when every payload that is to be dropped is. */
  async dropped(): Promise<void> {
    await Promise.allSettled(this.#dropping)
  }

  async close(budget: CloseBudget): Promise<void> {
    // Claims nothing more from here on, and waits for what the attempts below bring to an end.
    let isClosed = false
    const closing = this.#worker.close(this.#isOut).then(() => {
      isClosed = true
    })
    await this.#attempts.close(budget)
    await budget.waitFor(Promise.race([closing, later(recoveryDelayMs * 2)]))
    // Redis is out of reach: the locks end by themselves.
    if (!isClosed && this.#ownsConnection) {
      await Promise.race([this.#worker.disconnect().catch(() => {}), later(recoveryDelayMs)])
    }
    await this.dropped()
  }

  #listen(): void {
    const worker = this.#worker
    worker.on('locksRenewed', ({ jobIds }: { jobIds: string[] }) => this.#attempts.renewed(jobIds))
    worker.on('lockRenewalFailed', (jobIds: string[]) => this.#attempts.lost(jobIds))
    worker.on('ready', () => this.#reached())
    worker.on('active', () => this.#reached())
    worker.on('error', (error) => this.#failed(error))
    worker.on('completed', (job) => {
      if (!this.#settings.keepPayload && !job.returnvalue?.isUnhandled) this.#drop(job)
    })
    worker.on('failed', (job) => {
      if (job !== undefined) this.#tales.get(job)?.()
    })
  }

  /** Told once, until Redis has answered again. */
  #failed(error: Error): void {
    // Lost leases have their own way, and a job whose lock is lost was ended by somebody else.
    if (/could not renew lock|Missing lock|Lock mismatch|not in the active state/i.test(error.message)) return
    if (!this.#isOut) this.#consumer.report(unavailable(error))
    this.#isOut = true
  }

  #reached(): void {
    this.#isOut = false
  }

  /** Runs in BullMQ: what it returns completes the job, and what it throws says what else becomes of it. */
  async #process(job: EventJob, token: string): Promise<JobResult> {
    const notes = notesOf(job)
    const attempt = job.attemptsStarted - (notes.uncounted ?? 0)
    const claimed: ClaimedEvent = {
      lease: { id: job.id as string, token },
      event: toEvent(job.name, job.data),
      attempt,
    }
    if (job.stalledCounter > (notes.stalls ?? 0)) return await this.#endStalled(job, { notes, claimed })
    const ended = await this.#attempts.run(claimed)
    return await this.#settle(job, { notes, ended })
  }

  async #settle(job: EventJob, { notes, ended }: { notes: JobNotes; ended: EndedAttempt }): Promise<JobResult> {
    const { ending, claimed } = ended
    if (ending.state === 'done') return { isUnhandled: ending.isUnhandled }
    // Somebody else has the job: whatever is thrown here is refused by Redis, for the lock is not ours.
    if (ended.isLeaseLost) throw new UnrecoverableError('The lease was lost.')
    if (ending.state === 'ready' && !ending.isCounted) {
      await writeNotes(job, { ...notes, uncounted: (notes.uncounted ?? 0) + 1 })
      await job.moveToWait(claimed.lease.token)
      throw new WaitingError()
    }
    this.#tales.set(job, () => ended.tell())
    return await this.#fail(job, { notes, ending, attempt: claimed.attempt })
  }

  /**
   * The process that had the job died, or was blocked. The event waits like any that failed: one that kills its process
   * took others with it, and they must not all be claimed together again until all of them are dead.
   */
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
    this.#tales.set(job, () => this.#attempts.tellIfDead(died, ending))
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
    // What people see of a failed job on a page for queues.
    failure.message = `${error.code}: ${error.message}`
    failure.stack = error.stack ?? failure.message
    throw failure
  }

  #drop(job: EventJob): void {
    const dropping = job.updateData(withoutPayload(job.data)).catch(() => {
      // It goes with the job, after keepDoneMs.
    })
    this.#dropping.add(dropping)
    void dropping.finally(() => this.#dropping.delete(dropping))
  }
}

export function notesOf(job: Pick<Job, 'progress'>): JobNotes {
  // BullMQ begins with the number 0.
  return typeof job.progress === 'object' ? (job.progress as JobNotes) : {}
}

export async function writeNotes(job: Pick<Job, 'updateProgress'>, notes: JobNotes): Promise<void> {
  await job.updateProgress(notes)
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

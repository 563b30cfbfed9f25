import { type Job, type JobJson, Worker } from 'bullmq'
import type { JobData } from './jobs/job-data.ts'
import type { JobResult } from './jobs/job-notes.ts'

/** How long a worker waits for an event before it asks again, in seconds. Short, because a connection may go silent. */
const longestBlockSeconds = 2

/** The pause after a failed command, in milliseconds. Short, so the worker recovers quickly. */
export const recoveryDelayMs = 500

/** BullMQ's worker, hardened against a Redis that refuses commands, goes silent or returns damaged data. */
export class EventWorker extends Worker<JobData, JobResult> {
  protected override getBlockTimeout(blockUntil: number): number {
    return Math.min(super.getBlockTimeout(blockUntil), longestBlockSeconds)
  }

  /** Adds a pause, because BullMQ retries a refused claim immediately. */
  protected override async moveToActive(
    token: string,
    name?: string,
  ): ReturnType<Worker<JobData, JobResult>['getNextJob']> {
    try {
      return await super.moveToActive(token, name)
    } catch (error) {
      await later(recoveryDelayMs)
      throw error
    }
  }

  /** Accepts data that is not JSON. BullMQ itself would throw, and claim the job again each time its lease expires. */
  protected override createJob(json: JobJson, jobId: string): Job<JobData, JobResult> {
    try {
      return super.createJob(json, jobId)
    } catch {
      return super.createJob({ ...json, data: JSON.stringify({ unreadable: json.data }) }, jobId)
    }
  }
}

export async function later(delayMs: number): Promise<false> {
  return await new Promise((resolve) => setTimeout(() => resolve(false), delayMs).unref())
}

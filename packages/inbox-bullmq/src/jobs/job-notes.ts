import type { AttemptError } from '@scrapenest-webhooks/inbox'
import type { Job } from 'bullmq'
import type { JobData } from './job-data.ts'

/** A job of this inbox. */
export type EventJob = Job<JobData, JobResult>

/** What a completed job returns. */
export interface JobResult {
  readonly isUnhandled: boolean
}

/** Facts that BullMQ does not record. Stored as the job's progress, which BullMQ leaves to applications. */
export interface JobNotes {
  /** Claims that were not attempts: released by a closing process, or postponed after another process died. */
  readonly uncounted?: number
  /** The value of BullMQ's `stalledCounter` when a stall was last handled. */
  readonly stalls?: number
  readonly replays?: number
  /** When the next attempt may begin, in milliseconds since 1970. */
  readonly dueAt?: number
  /** The last attempt that failed. */
  readonly failed?: {
    readonly attempt: number
    readonly replay: number
    readonly startedAt: number
    readonly durationMs: number
    readonly error: AttemptError
  }
}

export function notesOf(job: Pick<Job, 'progress'>): JobNotes {
  // BullMQ's initial progress is the number 0.
  return typeof job.progress === 'object' && job.progress !== null ? (job.progress as JobNotes) : {}
}

export async function writeNotes(job: Pick<Job, 'updateProgress'>, notes: JobNotes): Promise<void> {
  await job.updateProgress(notes)
}

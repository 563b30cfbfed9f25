import type { InboxAttemptRecord, InboxRecord, InboxState, InboxSummary } from '@scrapenest-webhooks/inbox'
import { readEnvelope } from '@scrapenest-webhooks/inbox/engine'
import type { Job } from 'bullmq'
import { bodyOf, type JobData, type JobNotes, type JobResult } from './job-data.ts'
import { notesOf } from './queue-worker.ts'

export function toSummary(job: Job<JobData, JobResult>, state: InboxState): InboxSummary {
  const { name, eventId, messageId, sentAt, receivedAt } = job.data
  const notes = notesOf(job)
  const isFinal = state === 'done' || state === 'dead'
  return {
    name,
    eventId,
    eventType: job.name,
    messageId,
    state,
    isUnhandled: state === 'done' && job.returnvalue?.isUnhandled === true,
    attempts: Math.max(0, job.attemptsStarted - (notes.uncounted ?? 0)),
    replays: notes.replays ?? 0,
    sentAt: new Date(sentAt),
    receivedAt: new Date(receivedAt),
    ...(state === 'ready' ? { dueAt: new Date(notes.dueAt ?? job.timestamp) } : {}),
    ...(isFinal && job.finishedOn ? { finishedAt: new Date(job.finishedOn) } : {}),
  }
}

export function toRecord(job: Job<JobData, JobResult>, state: InboxState): InboxRecord {
  const body = bodyOf(job.data)
  return {
    ...toSummary(job, state),
    body,
    envelope: body === undefined ? undefined : readEnvelope(body),
    signedHeaders: job.data.signedHeaders,
    secretIndex: job.data.secretIndex,
    history: lastAttempt(job, state),
  }
}

/** BullMQ keeps no attempts: this is the last one that ended. */
function lastAttempt(job: Job<JobData, JobResult>, state: InboxState): readonly InboxAttemptRecord[] {
  const notes = notesOf(job)
  if (state !== 'done') return failedAttempt(notes)
  const { attempts, replays } = toSummary(job, state)
  const startedAtMs = job.processedOn ?? job.timestamp
  return [
    {
      attempt: attempts,
      replay: replays,
      startedAt: new Date(startedAtMs),
      durationMs: Math.max(0, (job.finishedOn ?? startedAtMs) - startedAtMs),
    },
  ]
}

function failedAttempt({ failed }: JobNotes): readonly InboxAttemptRecord[] {
  if (failed === undefined) return []
  const { attempt, replay, startedAt, durationMs, error } = failed
  return [{ attempt, replay, startedAt: new Date(startedAt), durationMs, error }]
}

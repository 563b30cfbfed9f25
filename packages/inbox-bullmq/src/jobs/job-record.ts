import { types } from 'node:util'
import type { InboxAttemptRecord, InboxRecord, InboxState, InboxSummary } from '@scrapenest-webhooks/inbox'
import { bodyOf, exactNames, readEnvelope } from '@scrapenest-webhooks/inbox/kit'
import type { Queue } from 'bullmq'
import { isJobData } from './job-data.ts'
import { type EventJob, type JobNotes, notesOf } from './job-notes.ts'

/** The job of an event. `undefined` if it is gone, or if its data is damaged and no worker has replaced it yet. */
export async function readJob(queue: Queue, id: string): Promise<EventJob | undefined> {
  try {
    const job: EventJob | undefined = await queue.getJob(id)
    return isJobData(job?.data) ? job : undefined
  } catch (error) {
    // BullMQ failed to parse the data.
    if (types.isNativeError(error) && error.name === 'SyntaxError') return undefined
    throw error
  }
}

export function toSummary(job: EventJob, state: InboxState): InboxSummary {
  const { name, messageId, sentAt, receivedAt } = job.data
  const notes = notesOf(job)
  const isFinal = state === 'done' || state === 'dead'
  return {
    name,
    ...exactNames(job.data),
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

export function toRecord(job: EventJob, state: InboxState): InboxRecord {
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

/** BullMQ keeps no history, so this is the last finished attempt. */
function lastAttempt(job: EventJob, state: InboxState): readonly InboxAttemptRecord[] {
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

import type { Queue } from 'bullmq'
import { type ListPosition, readList } from './job-lists.ts'
import { type EventJob, notesOf, writeNotes } from './job-notes.ts'
import { readJob } from './job-record.ts'
import { falseIfRefused } from './job-refusal.ts'

/** Number of jobs per read. */
const batchLength = 100

/** Makes a delayed job due now. @returns false if the job is already due, or was claimed in the meantime. */
export async function makeDue(job: EventJob): Promise<boolean> {
  if (!(await job.isDelayed())) return false
  await writeNotes(job, { ...notesOf(job), dueAt: Date.now() })
  return await job.promote().then(
    () => true,
    (error: unknown) => falseIfRefused(error),
  )
}

/**
 * Makes jobs due now if their last attempt ended in the future. They were delayed before the clock was set back, and would
 * wait for as long as it was set back.
 *
 * @param ask queries the queue, with a time limit for each call.
 * @param latestMs attempts that ended after this time, in milliseconds since 1970, ended before the clock was set back.
 */
export async function makeMisdatedDue(
  ask: <Answer>(query: (queue: Queue) => Promise<Answer>) => Promise<Answer>,
  latestMs: number,
): Promise<void> {
  let after: ListPosition | undefined
  for (;;) {
    const from = after
    const positions = await ask((queue) => readList(queue, 'delayed', { after: from, length: batchLength }))
    const jobs = await Promise.all(positions.map(({ id }) => ask((queue) => readJob(queue, id))))
    const misdated = jobs.filter((job) => job !== undefined && endOf(job) > latestMs)
    const madeDue = await Promise.all(misdated.map((job) => ask(() => makeDue(job as EventJob))))
    const last = positions.at(-1)
    if (last === undefined || positions.length < batchLength) return
    // Jobs that are due now have left the list.
    after = { ...last, index: last.index - madeDue.filter(Boolean).length }
  }
}

/** When the last attempt of a job ended, in milliseconds since 1970. */
function endOf(job: EventJob): number {
  const { startedAt = 0, durationMs = 0 } = notesOf(job).failed ?? {}
  return startedAt + durationMs
}

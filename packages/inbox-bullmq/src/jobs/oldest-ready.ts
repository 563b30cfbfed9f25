import type { Queue } from 'bullmq'
import { clientOf } from '../redis/queues.ts'
import { type JobNotes, notesOf } from './job-notes.ts'

/** Finds the waiting job to be claimed next, and the delayed job due first. */
const script = `
local waiting = redis.call('LINDEX', KEYS[1], -1)
local delayed = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
if not waiting then return { false, false, delayed or false } end
local stored = redis.call('HMGET', ARGV[1] .. waiting, 'timestamp', 'progress')
return { stored[1], stored[2], delayed or false }
`

const command = 'scrapenestOldestReady'

/** BullMQ's score of a delayed job is its due time multiplied by this, plus a counter. */
const scorePerMs = 0x1000

/**
 * When the event that has waited longest became due. Includes delayed jobs, because a due retry stays delayed until a worker
 * moves it.
 */
export async function oldestReadyAt(queue: Queue): Promise<Date | undefined> {
  const client = await clientOf(queue)
  client.defineCommand(command, { numberOfKeys: 2, lua: script })
  const answer = await client.runCommand(command, [queue.toKey('wait'), queue.toKey('delayed'), queue.toKey('')])
  const [timestamp, progress, score] = answer as (string | null)[]
  const times = []
  if (timestamp) times.push(readNotes(progress).dueAt ?? Number(timestamp))
  if (score) times.push(Math.floor(Number(score) / scorePerMs))
  const oldest = Math.min(...times)
  return oldest <= Date.now() ? new Date(oldest) : undefined
}

function readNotes(progress: string | null | undefined): JobNotes {
  try {
    return notesOf({ progress: JSON.parse(progress ?? '0') })
  } catch {
    return {}
  }
}

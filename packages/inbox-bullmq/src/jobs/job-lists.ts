import type { InboxState } from '@scrapenest-webhooks/inbox'
import type { JobType, Queue } from 'bullmq'
import { clientOf } from '../redis/queues.ts'
import { eventKeyOf } from './job-data.ts'

/** BullMQ's lists of jobs, by the state of their events. */
export const listsOf: Readonly<Record<InboxState, readonly JobType[]>> = {
  ready: ['wait', 'delayed', 'prioritized'],
  running: ['active'],
  done: ['completed'],
  dead: ['failed'],
}

export const states = Object.keys(listsOf) as readonly InboxState[]

/** The state of an event, from the BullMQ state of its job. `undefined` if there is no such job. */
export function stateOf(jobState: string): InboxState | undefined {
  if (jobState === 'waiting') return 'ready'
  return states.find((state) => listsOf[state].some((list) => list === jobState))
}

/** The start of a slice of a list: after this job, or at this index if the job has left the list. */
export interface ListPosition {
  readonly id: string
  readonly index: number
}

/** Reads ids from a list or a sorted set, most recently added first. */
const script = `
local isSet = redis.call('TYPE', KEYS[1]).ok == 'zset'
local start = tonumber(ARGV[2])
if ARGV[1] ~= '' then
  local rank
  if isSet then rank = redis.call('ZREVRANK', KEYS[1], ARGV[1]) else rank = redis.call('LPOS', KEYS[1], ARGV[1]) end
  if rank then start = rank + 1 end
end
local stop = start + tonumber(ARGV[3]) - 1
if isSet then return { start, redis.call('ZREVRANGE', KEYS[1], start, stop) } end
return { start, redis.call('LRANGE', KEYS[1], start, stop) }
`

const command = 'scrapenestReadList'

/** Returns up to `length` jobs that follow a position in one list, and none at its end. */
export async function readList(
  queue: Queue,
  list: JobType,
  { after, length }: { readonly after: ListPosition | undefined; readonly length: number },
): Promise<readonly ListPosition[]> {
  const client = await clientOf(queue)
  client.defineCommand(command, { numberOfKeys: 1, lua: script })
  const [start, ids] = (await client.runCommand(command, [
    queue.toKey(list),
    after?.id ?? '',
    after?.index ?? 0,
    length,
  ])) as [number, string[]]
  return ids.map((id, offset) => ({ id, index: start + offset }))
}

/** The ids of all events in one state. */
export async function readIds(queue: Queue, state: InboxState): Promise<readonly string[]> {
  const ids = await queue.getRanges([...listsOf[state]], 0, -1)
  return ids.filter((id) => eventKeyOf(id) !== undefined)
}

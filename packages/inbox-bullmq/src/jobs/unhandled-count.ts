import type { Queue } from 'bullmq'
import { clientOf } from '../redis/queues.ts'

/** BullMQ counts jobs by state only. Whether a completed event was unhandled is stored in the job's return value. */
const script = `
local count = 0
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], ARGV[2], ARGV[3])) do
  if redis.call('HGET', ARGV[1] .. id, 'returnvalue') == '{"isUnhandled":true}' then count = count + 1 end
end
return count
`

const command = 'scrapenestCountUnhandled'

/** How many jobs a script visits: few enough not to delay deliveries. */
const chunkLength = 1000

export async function countUnhandled(queue: Queue): Promise<number> {
  const client = await clientOf(queue)
  const key = queue.toKey('completed')
  const length = await queue.getCompletedCount()
  if (length === 0) return 0
  client.defineCommand(command, { numberOfKeys: 1, lua: script })
  let count = 0
  for (let start = 0; start < length; start += chunkLength) {
    count += Number(await client.runCommand(command, [key, queue.toKey(''), start, start + chunkLength - 1]))
  }
  return count
}

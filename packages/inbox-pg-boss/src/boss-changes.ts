import type { InboxFilter, ReplayResult } from '@scrapenest-webhooks/inbox'
import { type Boss, watchRetryDelaySeconds } from './boss.ts'
import { selection } from './job-rows.ts'

/** The copies that pg-boss made of dead events, in the queues beside those of the first value. */
const isLetter = "name IN (SELECT unnest($1::text[]) || '/dead')"

/** Makes dead and done events ready again, each as the job that it is, and takes their copies out. */
export async function replayJobs(
  boss: Boss,
  { filter, maxAttempts }: { readonly filter: InboxFilter; readonly maxAttempts: number },
): Promise<ReplayResult> {
  const { where, values } = selection(filter, await boss.queuesOf(filter.name))
  const { schema, deleteAfterSeconds } = boss
  const final = `${where} AND state >= 'completed'`
  const [counted] = await boss.sql<{ replayed: string; without: string }>(
    `WITH without AS (SELECT id FROM ${schema}.job WHERE ${final} AND NOT data ? 'signedHeaders'),
     replayed AS (
       UPDATE ${schema}.job
       SET state = 'created', retry_count = 0, retry_limit = ${maxAttempts - 1}, started_on = NULL,
         completed_on = NULL, heartbeat_on = NULL, start_after = now(), deletion_seconds = ${deleteAfterSeconds},
         keep_until = now() + (keep_until - created_on), retry_delay = ${watchRetryDelaySeconds}, retry_backoff = true,
         data = data || jsonb_build_object('replays', COALESCE((data->>'replays')::int, 0) + 1)
       WHERE ${final} AND data ? 'signedHeaders'
       RETURNING id
     ),
     letters AS (DELETE FROM ${schema}.job WHERE ${isLetter} AND source_id IN (SELECT id FROM replayed))
     SELECT (SELECT count(*) FROM replayed) AS replayed, (SELECT count(*) FROM without) AS without`,
    values,
  )
  return { replayed: Number(counted?.replayed), withoutPayload: Number(counted?.without) }
}

/** Deletes dead and done events, and their copies. @returns how many events. */
export async function purgeJobs(boss: Boss, filter: InboxFilter): Promise<number> {
  const { where, values } = selection(filter, await boss.queuesOf(filter.name))
  const [counted] = await boss.sql<{ purged: string }>(
    `WITH purged AS (DELETE FROM ${boss.schema}.job WHERE ${where} AND state >= 'completed' RETURNING id),
     letters AS (DELETE FROM ${boss.schema}.job WHERE ${isLetter} AND source_id IN (SELECT id FROM purged))
     SELECT count(*) AS purged FROM purged`,
    values,
  )
  return Number(counted?.purged)
}

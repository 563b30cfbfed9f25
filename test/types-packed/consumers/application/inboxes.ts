import { createReceiver, RetryLaterError } from '@scrapenest-webhooks/core'
import { createWorker, memoryInbox, sqliteInbox } from '@scrapenest-webhooks/inbox'
import { bullmqInbox } from '@scrapenest-webhooks/inbox-bullmq'
import { pgBossInbox } from '@scrapenest-webhooks/inbox-pg-boss'
import pg from 'pg'

const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']

const inPostgres = pgBossInbox({ connectionString: process.env['DATABASE_URL'] })
export const receivers = [
  sqliteInbox({ file: './data/webhooks.db' }),
  bullmqInbox({ connection: process.env['REDIS_URL'] }),
  inPostgres,
  memoryInbox(),
].map((inbox) => createReceiver({ secret, inbox, processing: false }))

export async function work(): Promise<void> {
  const pool = new pg.Pool()
  const worker = createWorker({
    inbox: inPostgres,
    onEvent: {
      'artifact.ready': async ({ data }, delivery) => {
        const client = await pool.connect()
        await client.query('INSERT INTO artifacts (job_id) VALUES ($1)', [data.job_id])
        await inPostgres.completeIn(client, delivery)
      },
      'job.completed': ({ data }, { attempt, signal }) => {
        if (data.status === 'failed' && !signal.aborted) {
          throw new RetryLaterError(data.failure_reason, { retryAfterSeconds: 30 * attempt })
        }
      },
    },
  })
  await worker.start()
  await worker.close({ graceMs: 5_000 })
}

export async function replayDead(): Promise<number> {
  const { events } = await inPostgres.list({ state: 'dead', limit: 10 })
  for (const { eventId } of events) {
    const record = await inPostgres.get(eventId)
    const code: string | undefined = record?.history.at(-1)?.error?.code
    if (code === 'schema_mismatch') await inPostgres.replay({ eventId })
  }
  return await inPostgres.purge({ state: 'dead' })
}

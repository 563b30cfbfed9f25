import { scrapenestWebhooks } from '@scrapenest-webhooks/express'
import { pgBossInbox } from '@scrapenest-webhooks/inbox-pg-boss'
import express from 'express'
import pg from 'pg'

const connectionString = process.env.DATABASE_URL
const pool = new pg.Pool({ connectionString })
await pool.query('CREATE TABLE IF NOT EXISTS jobs (job_id text PRIMARY KEY, status text NOT NULL)')

const inbox = pgBossInbox({ connectionString })

const app = express()
const webhooks = scrapenestWebhooks({
  path: '/webhooks/scrapenest',
  secret: process.env.SCRAPENEST_WEBHOOK_SECRET,
  inbox,
  onEvent: {
    // The row and the event's completion are committed together. A crash leaves both or neither, so the row is written once
    // even if the handler starts twice.
    'job.completed': ({ data }, delivery) =>
      transaction(async (client) => {
        await client.query('INSERT INTO jobs (job_id, status) VALUES ($1, $2)', [data.job_id, data.status])
        await inbox.completeIn(client, delivery)
      }),
  },
})
app.use(webhooks)

async function transaction(work: (client: pg.PoolClient) => Promise<void>): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await work(client)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

const port = Number(process.env.PORT ?? 3000)
const server = app.listen(port, () => console.log(`Listening at http://localhost:${port}`))

async function stop(): Promise<void> {
  server.close()
  await webhooks.receiver.close()
  await pool.end()
}
process.once('SIGTERM', stop)
process.once('SIGINT', stop)

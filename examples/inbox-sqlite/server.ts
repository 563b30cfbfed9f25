import { mkdir, writeFile } from 'node:fs/promises'
import { scrapenestWebhooks } from '@scrapenest-webhooks/fastify'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'
import Fastify from 'fastify'

const app = Fastify({ logger: true })

await app.register(scrapenestWebhooks, {
  path: '/webhooks/scrapenest',
  secret: process.env.SCRAPENEST_WEBHOOK_SECRET,
  inbox: sqliteInbox({ file: './data/webhooks.db' }),
  onEvent: {
    // Runs after the reply, for as long as it needs, and is retried if it fails. So it writes to the same file each time.
    'artifact.ready': async ({ data }, { signal }) => {
      if (data.artifact_type !== 'screenshot') return
      const download = await fetch(data.download_url, { signal })
      if (!download.ok) throw new Error(`Screenshot of job ${data.job_id} failed to download (${download.status}).`)
      await mkdir('data', { recursive: true })
      await writeFile(`data/${encodeURIComponent(data.job_id)}.png`, new Uint8Array(await download.arrayBuffer()))
    },
    'job.completed': ({ data }) => {
      if (data.status === 'failed') console.warn(`Job ${data.job_id} failed: ${data.failure_reason}`)
    },
  },
})

// Refuses new deliveries, waits for running handlers, and releases unfinished events. The next start continues with them.
process.once('SIGTERM', () => app.close())
process.once('SIGINT', () => app.close())

const port = Number(process.env.PORT ?? 3000)
await app.listen({ port })
console.log(`Listening at http://localhost:${port}`)

import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { scrapenestWebhooks } from '@scrapenest-webhooks/node'
import { fileInbox } from './file-inbox.ts'

const webhooks = scrapenestWebhooks({
  path: '/webhooks/scrapenest',
  secret: process.env.SCRAPENEST_WEBHOOK_SECRET,
  inbox: fileInbox({ path: './data/events.jsonl' }),
  onEvent: {
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

const port = Number(process.env.PORT ?? 3000)
const server = createServer(webhooks)
server.listen(port, () => console.log(`Listening at http://localhost:${port}`))

async function stop(): Promise<void> {
  server.close()
  await webhooks.receiver.close()
}
process.once('SIGTERM', stop)
process.once('SIGINT', stop)

import { mkdir, writeFile } from 'node:fs/promises'
import { scrapenestWebhooks } from '@scrapenest-webhooks/express'
import express from 'express'

const app = express()

app.use(
  scrapenestWebhooks({
    path: '/webhooks/scrapenest',
    secret: process.env.SCRAPENEST_WEBHOOK_SECRET,
    onEvent: {
      'artifact.ready': async ({ data }) => {
        if (data.artifact_type !== 'screenshot') return
        const download = await fetch(data.download_url)
        if (!download.ok) throw new Error(`Screenshot of job ${data.job_id} failed to download (${download.status}).`)
        await mkdir('data', { recursive: true })
        await writeFile(`data/${encodeURIComponent(data.job_id)}.png`, new Uint8Array(await download.arrayBuffer()))
      },
      'job.completed': ({ data }) => {
        if (data.status === 'failed') console.warn(`Job ${data.job_id} failed: ${data.failure_reason}`)
      },
    },
  }),
)

const port = Number(process.env.PORT ?? 3000)
app.listen(port, () => console.log(`Listening at http://localhost:${port}`))

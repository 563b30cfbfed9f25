import { mkdir, writeFile } from 'node:fs/promises'
import { createWorker } from '@scrapenest-webhooks/inbox'
import { bullmqInbox } from '@scrapenest-webhooks/inbox-bullmq'

// The worker process: handles the events that the web processes store. Start as many as you like, on any number of machines.
const worker = createWorker({
  inbox: bullmqInbox({ connection: process.env.REDIS_URL ?? 'redis://localhost:6379', concurrency: 20 }),
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
// Less than the 30 s after which Kubernetes kills a process.
const stop = (): Promise<void> => worker.close({ graceMs: 20_000 })
process.once('SIGTERM', stop)
process.once('SIGINT', stop)
await worker.start()
console.log('Working.')

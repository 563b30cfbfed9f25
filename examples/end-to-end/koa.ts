// ScrapeNest's guide in one program: register, submit, receive, download, rotate. Uses a local simulator, or ScrapeNest
// itself if SCRAPENEST_API_KEY and PUBLIC_ORIGIN are set.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ReceiverOptions, ScrapeNestEvents } from '@scrapenest-webhooks/core'
import { rotatingSecret } from '@scrapenest-webhooks/core'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'
import { scrapenestWebhooks } from '@scrapenest-webhooks/koa'
import Koa from 'koa'
import { connect } from './connect.ts'

const path = '/webhooks/scrapenest'
const { client, targetUrl, publicOrigin, disconnect } = await connect()

// A real application keeps this in its secret store and reads it from there.
let signingSecret: string | undefined

/** Per job: the number of artifacts downloaded, and once the job has ended, the number expected. */
const downloaded = new Map<string, number>()
const expected = new Map<string, number>()

const webhooks = {
  // Both secrets are valid during a rotation. A signature mismatch reloads the secret.
  ...rotatingSecret({ load: () => signingSecret, maxAgeMs: 1_000 }),
  // Events are stored before they are acknowledged. Handlers run afterward, and again after a crash.
  inbox: sqliteInbox({ file: 'data/webhooks.db' }),
  onEvent: {
    'artifact.ready': async (event, { signal }) => {
      const { job_id, artifact_type } = event.data
      const to = `data/${encodeURIComponent(`${job_id}-${artifact_type}`)}`
      // The file is complete or absent, whatever happens. An expired URL is renewed.
      const file = await client.artifacts.download(event, { to, signal })
      console.log(`downloaded ${artifact_type}: ${file.byteLength} bytes, sha256 ${file.sha256}, ${file.path}`)
      downloaded.set(job_id, (downloaded.get(job_id) ?? 0) + 1)
    },
    'job.completed': ({ data }) => {
      if (data.status === 'failed') console.log(`alert: job ${data.job_id} failed (${data.failure_reason})`)
      expected.set(data.job_id, data.status === 'failed' ? 0 : data.artifact_count)
    },
  },
} satisfies ReceiverOptions<ScrapeNestEvents>

const app = new Koa()
const middleware = scrapenestWebhooks({ path, ...webhooks })
app.use(middleware)
const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1')
await once(server, 'listening')
const localOrigin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const endpoint = await client.webhookEndpoints.create({
  url: publicOrigin(localOrigin) + path,
  enabled_events: ['artifact.ready', 'job.completed'],
})
signingSecret = endpoint.secret
console.log(`registered ${endpoint.endpoint_id}`)

try {
  await scrape(targetUrl)
  await scrape('http://127.0.0.1:1/connection-refused')

  signingSecret = (await client.webhookEndpoints.rotateSecret(endpoint.endpoint_id)).secret
  console.log('rotated the secret')
  await scrape(targetUrl)
} finally {
  await client.webhookEndpoints.delete(endpoint.endpoint_id)
  server.close()
  await middleware.receiver.close()
  await disconnect()
}
console.log('done')

/** Submits a job and waits until its webhooks have reported its end and all its artifacts have been downloaded. */
async function scrape(target_url: string): Promise<void> {
  const { job_id } = await client.scrapeAsync({
    job_type: 'standard',
    target_url,
    wait_until: 'networkidle',
    artifact_options: { include_html: true, include_screenshot: true },
    tags: ['end-to-end'],
  })
  console.log(`submitted ${job_id}`)
  const signal = AbortSignal.timeout(120_000)
  while ((downloaded.get(job_id) ?? 0) < (expected.get(job_id) ?? Infinity)) {
    signal.throwIfAborted()
    await sleep(50)
  }
}

// The guide's application, in a separate process that can be killed. It stores events in SQLite before acknowledging them,
// downloads artifacts, and reports everything to its parent process.
import { join } from 'node:path'
import { ScrapeNestClient } from '@scrapenest-webhooks/client'
import { rotatingSecret } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks } from '@scrapenest-webhooks/fastify'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'
import Fastify from 'fastify'

export type Report =
  | { readonly is: 'listening'; readonly origin: string }
  | { readonly is: 'answered'; readonly result: string }
  | { readonly is: 'created'; readonly jobId: string }
  | {
      readonly is: 'downloaded'
      readonly jobId: string
      readonly type: string
      readonly path: string
      readonly sha256: string
    }
  | { readonly is: 'completed'; readonly jobId: string; readonly status: string; readonly detail: string | number }
  | { readonly is: 'working'; readonly jobId: string; readonly attempt: number }

const [directory = '', port = '0', apiUrl = '', apiKey = ''] = process.argv.slice(2)
const tell = (report: Report): void => void process.send?.(report)

// Sent by the parent, which registered the endpoint. An application would ask its secret manager.
let signingSecret: string | undefined
process.on('message', (message) => {
  signingSecret = (message as { secret: string }).secret
})

const client = new ScrapeNestClient({ apiKey, baseUrl: apiUrl, allowInsecure: true, allowPrivateAddresses: true })
const rotating = rotatingSecret({ load: () => signingSecret, maxAgeMs: 100 })

const app = Fastify()
await app.register(scrapenestWebhooks, {
  path: '/webhooks/scrapenest',
  secret: rotating.secret,
  inbox: sqliteInbox({ file: join(directory, 'webhooks.db'), leaseMs: 1_000 }),
  onDelivery: (outcome) => {
    rotating.onDelivery(outcome)
    tell({ is: 'answered', result: `${outcome.status} ${outcome.result}` })
  },
  logger: { warn() {}, error() {} },
  onEvent: {
    'job.created': ({ data }) => tell({ is: 'created', jobId: data.job_id }),
    'artifact.ready': async (event, { signal }) => {
      const { job_id, artifact_type } = event.data
      const to = join(directory, encodeURIComponent(`${job_id}-${artifact_type}`))
      const { path, sha256 } = await client.artifacts.download(event, { to, signal })
      tell({ is: 'downloaded', jobId: job_id, type: artifact_type, path, sha256 })
    },
    'job.completed': async ({ data }, { attempt }) => {
      if (data.job_id === 'job_that_takes_long') {
        tell({ is: 'working', jobId: data.job_id, attempt })
        // The first attempt never ends: this process is killed during it.
        if (attempt === 1) await new Promise(() => {})
      }
      const detail = data.status === 'failed' ? data.failure_reason : data.artifact_count
      tell({ is: 'completed', jobId: data.job_id, status: data.status, detail })
    },
  },
})
tell({ is: 'listening', origin: await app.listen({ port: Number(port), host: '127.0.0.1' }) })
process.on('disconnect', () => void app.close())

import { mkdir, writeFile } from 'node:fs/promises'
import { bodyParser } from '@koa/bodyparser'
import Router from '@koa/router'
import { scrapenestWebhooks } from '@scrapenest-webhooks/koa'
import Koa from 'koa'

const app = new Koa()

// No change needed: this parser keeps the text in ctx.request.rawBody. With koa-body, set `includeUnparsed: true`.
app.use(bodyParser())

const router = new Router()
router.post('/orders', (ctx) => {
  ctx.status = 201
  ctx.body = { ordered: (ctx.request.body as { item: string }).item }
})
app.use(router.routes())

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

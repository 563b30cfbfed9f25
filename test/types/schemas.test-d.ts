import {
  type ArtifactReadyData,
  createReceiver,
  type JobCreatedData,
  type StandardSchema,
} from '@scrapenest-webhooks/core'
import { scrapenestWebhooks as fetchWebhooks } from '@scrapenest-webhooks/core/fetch'
import { scrapenestWebhooks as expressWebhooks } from '@scrapenest-webhooks/express'
import { scrapenestWebhooks as fastifyWebhooks } from '@scrapenest-webhooks/fastify'
import { createWorker, memoryInbox } from '@scrapenest-webhooks/inbox'
import { scrapenestWebhooks as koaWebhooks } from '@scrapenest-webhooks/koa'
import { scrapenestWebhooks as nodeWebhooks } from '@scrapenest-webhooks/node'
import Fastify from 'fastify'
import * as v from 'valibot'
import { expectTypeOf } from 'vitest'
import { z } from 'zod'

const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']

const artifactZod = z.object({ job_id: z.string(), artifact_type: z.string(), download_url: z.url() })
const artifactValibot = v.object({ job_id: v.string(), artifact_type: v.string(), download_url: v.string() })

expectTypeOf(artifactZod).toExtend<StandardSchema<ArtifactReadyData>>()
expectTypeOf(artifactValibot).toExtend<StandardSchema<ArtifactReadyData>>()

createReceiver({ secret, schemas: { 'artifact.ready': artifactZod } }).onEvent('artifact.ready', (event) =>
  expectTypeOf(event.data).toEqualTypeOf<z.output<typeof artifactZod>>(),
)
createReceiver({ secret, schemas: { 'artifact.ready': artifactValibot } })

// The output of a schema is the data of its type only, both in `onEvent` next to it and in handlers added later.
const withUrl = z.object({ job_id: z.string(), download_url: z.string().transform((text) => new URL(text)) })
createReceiver({
  secret,
  schemas: { 'artifact.ready': withUrl },
  onEvent: {
    'artifact.ready': (event) => expectTypeOf(event.data.download_url).toEqualTypeOf<URL>(),
    'job.created': (event) => expectTypeOf(event.data).toEqualTypeOf<JobCreatedData>(),
  },
}).onEvent('artifact.*', (event) => expectTypeOf(event.data.download_url).toEqualTypeOf<URL>())
const onExpress = expressWebhooks({
  path: '/w',
  secret,
  schemas: { 'artifact.ready': withUrl },
  onEvent: { 'artifact.ready': (event) => expectTypeOf(event.data.download_url).toEqualTypeOf<URL>() },
})
onExpress.receiver.onEvent('artifact.ready', (event) => expectTypeOf(event.data.download_url).toEqualTypeOf<URL>())
koaWebhooks({ path: '/w', secret, schemas: { 'artifact.ready': withUrl } }).receiver.onEvent(
  'artifact.ready',
  (event) => expectTypeOf(event.data.download_url).toEqualTypeOf<URL>(),
)
nodeWebhooks({ secret, schemas: { 'artifact.ready': withUrl } }).receiver.onEvent('artifact.ready', (event) =>
  expectTypeOf(event.data.download_url).toEqualTypeOf<URL>(),
)
fetchWebhooks({ secret, schemas: { 'artifact.ready': withUrl } }).receiver.onEvent('artifact.ready', (event) =>
  expectTypeOf(event.data.download_url).toEqualTypeOf<URL>(),
)

createWorker({
  inbox: memoryInbox(),
  schemas: { 'artifact.ready': withUrl },
  onEvent: { 'artifact.ready': (event) => expectTypeOf(event.data.download_url).toEqualTypeOf<URL>() },
})

// @ts-expect-error Not a schema.
createReceiver({ secret, schemas: { 'artifact.ready': (data: unknown) => data } })
// @ts-expect-error A misspelled event type.
createReceiver({ secret, schemas: { 'artifact.redy': artifactZod } })
// @ts-expect-error A misspelled event type next to a known one.
createReceiver({ secret, schemas: { 'artifact.ready': artifactZod, 'artifact.redy': artifactZod } })
// Fastify's `register` cannot infer types from options, so there a schema must keep the shape of the catalog.
await Fastify().register(fastifyWebhooks, { path: '/w', secret, schemas: { 'artifact.ready': artifactZod } })
// @ts-expect-error Its output does not match the type that handlers have.
await Fastify().register(fastifyWebhooks, { path: '/w', secret, schemas: { 'artifact.ready': withUrl } })

// The outputs of schemas can form a catalog.
interface PageEvents {
  'page.saved': z.output<typeof pageSaved>
}
const pageSaved = z.object({ url: z.string().transform((text) => new URL(text)) })
createReceiver<PageEvents>({
  secret,
  schemas: { 'page.saved': pageSaved },
  onEvent: { 'page.*': (event) => expectTypeOf(event.data.url).toEqualTypeOf<URL>() },
})

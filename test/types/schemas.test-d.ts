import { type ArtifactReadyData, createReceiver, type StandardSchema } from '@scrapenest-webhooks/core'
import * as v from 'valibot'
import { expectTypeOf } from 'vitest'
import { z } from 'zod'

const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']

const artifactZod = z.object({ job_id: z.string(), artifact_type: z.string(), download_url: z.url() })
const artifactValibot = v.object({ job_id: v.string(), artifact_type: v.string(), download_url: v.string() })

expectTypeOf(artifactZod).toExtend<StandardSchema<ArtifactReadyData>>()
expectTypeOf(artifactValibot).toExtend<StandardSchema<ArtifactReadyData>>()

createReceiver({ secret, schemas: { 'artifact.ready': artifactZod } }).onEvent('artifact.ready', (event) =>
  expectTypeOf(event.data).toEqualTypeOf<ArtifactReadyData>(),
)
createReceiver({ secret, schemas: { 'artifact.ready': artifactValibot } })

// @ts-expect-error Its output would not be what handlers are promised.
createReceiver({ secret, schemas: { 'artifact.ready': z.object({ job_id: z.number() }) } })
// @ts-expect-error Its output would not be what handlers are promised.
createReceiver({ secret, schemas: { 'artifact.ready': v.object({ job_id: v.number() }) } })
// @ts-expect-error No schema at all.
createReceiver({ secret, schemas: { 'artifact.ready': (data: unknown) => data } })

// A catalogue may be the output of schemas.
interface PageEvents {
  'page.saved': z.output<typeof pageSaved>
}
const pageSaved = z.object({ url: z.string().transform((text) => new URL(text)) })
createReceiver<PageEvents>({
  secret,
  schemas: { 'page.saved': pageSaved },
  onEvent: { 'page.*': (event) => expectTypeOf(event.data.url).toEqualTypeOf<URL>() },
})

// The output of a schema is the data of handlers of its type, and of no other type.
import { createReceiver, type JobCreatedData, type StandardSchema } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks as onFetch } from '@scrapenest-webhooks/core/fetch'
import { scrapenestWebhooks as onExpress } from '@scrapenest-webhooks/express'
import { scrapenestWebhooks as onFastify } from '@scrapenest-webhooks/fastify'
import { scrapenestWebhooks as onKoa } from '@scrapenest-webhooks/koa'
import { scrapenestWebhooks as onNode } from '@scrapenest-webhooks/node'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { same } from './same.js'

const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']
const withUrl = z.object({ job_id: z.string(), download_url: z.string().transform((text) => new URL(text)) })
const schemas = { 'artifact.ready': withUrl }

export const receiver = createReceiver({
  secret,
  schemas,
  onEvent: {
    'artifact.ready': ({ data }) => same<typeof data, { job_id: string; download_url: URL }>(true),
    'job.created': ({ data }) => same<typeof data, JobCreatedData>(true),
  },
}).onEvent('artifact.*', ({ data }) => data.download_url.hostname)

export const hosts = [
  onNode({ secret, schemas, onEvent: { 'artifact.ready': ({ data }) => data.download_url.hostname } }),
  onKoa({ path: '/w', secret, schemas, onEvent: { 'artifact.ready': ({ data }) => data.download_url.hostname } }),
  onExpress({ path: '/w', secret, schemas, onEvent: { 'artifact.ready': ({ data }) => data.download_url.hostname } }),
  onFetch({ secret, schemas, onEvent: { 'artifact.ready': ({ data }) => data.download_url.hostname } }),
].map((host) => host.receiver.onEvent('artifact.ready', ({ data }) => same<typeof data.download_url, URL>(true)))

const strict = z.object({ job_id: z.uuid(), artifact_type: z.string(), download_url: z.url() })
export const register = (app: FastifyInstance) =>
  app.register(onFastify, { path: '/webhooks/scrapenest', secret, schemas: { 'artifact.ready': strict } })

/** Written by hand, without a library. */
declare const ownSchema: StandardSchema<{ readonly job: string }>
export const own = createReceiver({ secret, schemas: { 'job.created': ownSchema } })
own.onEvent('job.created', ({ data }) => same<typeof data, { readonly job: string }>(true))

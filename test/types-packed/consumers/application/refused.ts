// Code that must not compile. An unused `@ts-expect-error` is itself an error, so each one below proves that the compiler objects.
import {
  createReceiver,
  type Delivery,
  type ScrapeNestEvent,
  type ScrapeNestEvents,
  type UnknownEvent,
  verifyEvent,
  WebhookError,
} from '@scrapenest-webhooks/core'
import { scrapenestWebhooks as onFetch } from '@scrapenest-webhooks/core/fetch'
import { type ExpressRequest, scrapenestWebhooks as onExpress } from '@scrapenest-webhooks/express'
import { scrapenestWebhooks as onFastify, type ScrapenestWebhooksOptions } from '@scrapenest-webhooks/fastify'
import { type KoaContext, scrapenestWebhooks as onKoa } from '@scrapenest-webhooks/koa'
import { scrapenestWebhooks as onNode } from '@scrapenest-webhooks/node'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'

const path = '/webhooks/scrapenest'
const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']
const noop = (): void => {}

// A receiver for another host's context.
const ofKoa = createReceiver<ScrapeNestEvents, KoaContext>({ secret })
const ofFastify = createReceiver<ScrapeNestEvents, FastifyRequest>({ secret })
const ofExpress = createReceiver<ScrapeNestEvents, ExpressRequest>({ secret })
export function register(app: FastifyInstance): void {
  // @ts-expect-error A receiver for Koa does not fit Fastify.
  app.register(onFastify, { path, receiver: ofKoa })
  // @ts-expect-error A receiver for Express does not fit Fastify.
  app.register(onFastify, { path, receiver: ofExpress })
  // @ts-expect-error A misspelled option.
  app.register(onFastify, { path, secret, toleranceSecond: 60 })
  // @ts-expect-error The path is missing.
  app.register(onFastify, { secret })
}
// @ts-expect-error A receiver for Koa does not fit Express.
onExpress({ path, receiver: ofKoa })
// @ts-expect-error A receiver for Fastify does not fit Koa.
onKoa({ path, receiver: ofFastify })
// @ts-expect-error A receiver for Fastify does not fit node:http.
onNode({ path, receiver: ofFastify })
// @ts-expect-error A receiver for Express needs more than node:http has.
onNode({ path, receiver: ofExpress })

// A misspelled event.
const receiver = createReceiver({ secret })
// @ts-expect-error A misspelled event.
receiver.onEvent('artifact.redy', noop)
// @ts-expect-error A misspelled event among others.
receiver.onEvent(['artifact.ready', 'job.complete'], noop)
// @ts-expect-error A family that does not exist.
receiver.onEvent('jobs.*', noop)
// @ts-expect-error A misspelled event.
createReceiver({ secret, onEvent: { 'artifact.redy': noop } })
// @ts-expect-error A misspelled event.
onKoa({ path, secret, onEvent: { 'artifact.redy': noop } })
// @ts-expect-error A misspelled event.
onFetch({ secret, onEvent: { 'artifact.redy': noop } })
export const misspelled: ScrapenestWebhooksOptions = {
  path,
  secret,
  // @ts-expect-error A misspelled event.
  onEvent: { 'artifact.redy': noop },
}

// The wrong schema.
const withUrl = z.object({ job_id: z.string(), download_url: z.string().transform((text) => new URL(text)) })
// @ts-expect-error A schema for a misspelled event.
createReceiver({ secret, schemas: { 'artifact.redy': withUrl } })
// @ts-expect-error Not a Standard Schema.
createReceiver({ secret, schemas: { 'artifact.ready': { parse: noop } } })
// @ts-expect-error A schema for a misspelled event.
onExpress({ path, secret, schemas: { 'artifact.redy': withUrl } })
export const wrongSchema: ScrapenestWebhooksOptions = {
  path,
  secret,
  // @ts-expect-error Fastify's `register` cannot pass the schema's output type to the handlers.
  schemas: { 'artifact.ready': withUrl },
}
const ofSchema = createReceiver({ secret, schemas: { 'artifact.ready': withUrl } })
// @ts-expect-error The schema's output has no artifact_type.
ofSchema.onEvent('artifact.ready', ({ data }) => data.artifact_type)

// A misspelled option.
// @ts-expect-error
createReceiver({ secret, toleranceSecond: 60 })
// @ts-expect-error
onNode({ path, secret, closeGracems: 1_000 })
// @ts-expect-error
onFetch({ secret, remoteAdress: noop })
// @ts-expect-error
verifyEvent({ headers: {}, body: '' }, secret, { tolerance: 60 })

// Only RetryLaterError and SchemaMismatchError carry these codes, because only they have the fields.
// @ts-expect-error
export const retry = new WebhookError('retry_later')
// @ts-expect-error
export const schema = new WebhookError('schema_mismatch')
// @ts-expect-error Not a code.
export const unknownCode = new WebhookError('signature_missmatch')

// Comparing with a misspelled name.
export function compare(event: ScrapeNestEvent | UnknownEvent, delivery: Delivery): unknown {
  // @ts-expect-error
  if (event.event_type === 'artifact.redy') return undefined
  switch (event.event_type) {
    // @ts-expect-error
    case 'job.complete':
      return undefined
    case 'job.completed':
      // @ts-expect-error A status that does not exist.
      if (event.data.status === 'success') return undefined
      // @ts-expect-error Only a failed job has a reason.
      return event.data.failure_reason
    case 'job.created':
    case 'artifact.ready':
      // @ts-expect-error The svix-id is `messageId`.
      return delivery.id
    default:
      // @ts-expect-error The data of an unknown event is `unknown`.
      return event.data.job_id
  }
}

interface Tenant {
  readonly tenant: string
}
const webhooks = onFetch<Tenant>({ secret })
// @ts-expect-error The context that its handlers use is missing.
webhooks(new Request('http://localhost/'))

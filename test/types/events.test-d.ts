import {
  type ArtifactReadyData,
  createReceiver,
  type Delivery,
  type EventHandlers,
  type EventOf,
  type EventPattern,
  isWebhookError,
  type JobCompletedData,
  type JobCreatedData,
  type JobFailedData,
  type JobSucceededData,
  type ReportCode,
  type ScrapeNestEvent,
  type ScrapeNestEvents,
  type UnknownEvent,
  verify,
  verifyEvent,
  WebhookError,
  type WebhookErrorCode,
} from '@scrapenest-webhooks/core'
import { expectTypeOf } from 'vitest'

const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']
const receiver = createReceiver({ secret })
const noop = (): void => {}

// One type
receiver.onEvent('job.created', (event) => {
  expectTypeOf(event).not.toBeAny()
  expectTypeOf(event.event_type).toEqualTypeOf<'job.created'>()
  expectTypeOf(event.data).toEqualTypeOf<JobCreatedData>()
  expectTypeOf(event.data.target_url).toEqualTypeOf<string>()
  expectTypeOf(event.event_id).toEqualTypeOf<string>()
  expectTypeOf(event.version).toEqualTypeOf<string | undefined>()
  // @ts-expect-error The data of job.created has no download_url.
  void event.data.download_url
  // @ts-expect-error This handler never sees another type.
  if (event.event_type === 'artifact.ready') noop()
  // @ts-expect-error Events are read-only.
  event.event_id = ''
})

// data.status
receiver.onEvent('job.completed', (event) => {
  expectTypeOf(event.data).toEqualTypeOf<JobCompletedData>()
  // @ts-expect-error Only a failed job has a reason.
  void event.data.failure_reason
  if (event.data.status === 'failed') {
    expectTypeOf(event.data).toEqualTypeOf<JobFailedData>()
    expectTypeOf(event.data.failure_reason).toEqualTypeOf<string>()
  } else {
    expectTypeOf(event.data).toEqualTypeOf<JobSucceededData>()
    expectTypeOf(event.data.artifact_count).toEqualTypeOf<number>()
  }
  // @ts-expect-error There is no such status.
  if (event.data.status === 'success') noop()
})

// A family
receiver.onEvent('job.*', (event) => {
  expectTypeOf(event).not.toBeAny()
  expectTypeOf(event.event_type).toEqualTypeOf<'job.created' | 'job.completed'>()
  expectTypeOf(event.data.job_id).toEqualTypeOf<string>()
  if (event.event_type === 'job.created') expectTypeOf(event.data).toEqualTypeOf<JobCreatedData>()
  else expectTypeOf(event.data).toEqualTypeOf<JobCompletedData>()
  // @ts-expect-error An artifact is of another family.
  if (event.event_type === 'artifact.ready') noop()
})
receiver.onEvent('artifact.*', (event) => expectTypeOf(event.data).toEqualTypeOf<ArtifactReadyData>())

// Several
receiver.onEvent(['job.created', 'artifact.*'], (event) => {
  expectTypeOf(event.event_type).toEqualTypeOf<'job.created' | 'artifact.ready'>()
  if (event.event_type === 'artifact.ready') expectTypeOf(event.data.download_url).toEqualTypeOf<string>()
  else expectTypeOf(event.data).toEqualTypeOf<JobCreatedData>()
})

// The whole catalog
receiver.onEvent('*', (event) => {
  expectTypeOf(event).toEqualTypeOf<ScrapeNestEvent>()
  switch (event.event_type) {
    case 'job.created':
      return expectTypeOf(event.data).toEqualTypeOf<JobCreatedData>()
    case 'job.completed':
      return expectTypeOf(event.data).toEqualTypeOf<JobCompletedData>()
    case 'artifact.ready':
      return expectTypeOf(event.data).toEqualTypeOf<ArtifactReadyData>()
    default:
      return expectTypeOf(event).toBeNever()
  }
})

// The map of handlers
createReceiver({
  secret,
  onEvent: {
    'artifact.ready': (event, delivery) => {
      expectTypeOf(event.data).toEqualTypeOf<ArtifactReadyData>()
      expectTypeOf(delivery).toEqualTypeOf<Delivery<unknown>>()
    },
    'job.*': (event) => expectTypeOf(event.event_type).toEqualTypeOf<'job.created' | 'job.completed'>(),
    '*': async (event) => expectTypeOf(event).toEqualTypeOf<ScrapeNestEvent>(),
  },
  onUnknownEvent: (event) => {
    expectTypeOf(event.event_type).toEqualTypeOf<string>()
    expectTypeOf(event.data).toBeUnknown()
    // @ts-expect-error Its data is unknown.
    void event.data.job_id
  },
  onError: (error, context) => {
    expectTypeOf(error).toBeUnknown()
    expectTypeOf(context.code).toEqualTypeOf<ReportCode>()
  },
  onDelivery: (outcome) => {
    expectTypeOf(outcome.result).toEqualTypeOf<WebhookErrorCode | 'accepted' | 'duplicate' | 'dropped' | 'unhandled'>()
  },
})

// The delivery that a handler receives
receiver.onEvent('*', (_event, delivery) => {
  expectTypeOf(delivery).not.toBeAny()
  expectTypeOf(delivery.context).toBeUnknown()
  expectTypeOf(delivery.attempt).toEqualTypeOf<number>()
  expectTypeOf(delivery.signal).toEqualTypeOf<AbortSignal>()
  expectTypeOf(delivery.rawBody).toEqualTypeOf<Uint8Array>()
  expectTypeOf(delivery.sentAt).toEqualTypeOf<Date>()
  // @ts-expect-error A delivery is read-only.
  delivery.attempt = 2
})

interface Tenant {
  readonly id: number
}
const ofTenants = createReceiver<ScrapeNestEvents, Tenant>({
  secret: (request, context) => {
    expectTypeOf(request.headers).not.toBeAny()
    expectTypeOf(context).toEqualTypeOf<Tenant | undefined>()
    return context === undefined ? undefined : ['whsec_…']
  },
})
ofTenants.onEvent('*', (_event, { context }) => expectTypeOf(context).toEqualTypeOf<Tenant | undefined>())
void ofTenants.receive({ method: 'POST', headers: {}, body: async () => new Uint8Array() }, { id: 1 })
// @ts-expect-error The context is a tenant.
void ofTenants.receive({ method: 'POST', headers: {}, body: async () => new Uint8Array() }, { id: '1' })

// A custom catalog
interface ShopEvents {
  'order.paid': { readonly total: number }
  'order.sent': { readonly carrier: string }
  ping: { readonly at: string }
}
const shop = createReceiver<ShopEvents>({
  secret,
  eventTypes: ['order.paid', 'ping'],
  onEvent: { 'order.paid': (event) => expectTypeOf(event.data.total).toEqualTypeOf<number>() },
})
shop.onEvent('order.*', (event) => expectTypeOf(event.event_type).toEqualTypeOf<'order.paid' | 'order.sent'>())
shop.onEvent('ping', (event) => expectTypeOf(event.data).toEqualTypeOf<{ readonly at: string }>())
expectTypeOf<EventPattern<ShopEvents>>().toEqualTypeOf<'order.paid' | 'order.sent' | 'ping' | 'order.*' | '*'>()
expectTypeOf<EventOf<ShopEvents, 'ping'>['data']>().toEqualTypeOf<{ readonly at: string }>()
// @ts-expect-error Another catalog.
shop.onEvent('job.created', noop)
// @ts-expect-error A type without a period has no family.
shop.onEvent('ping.*', noop)
// @ts-expect-error A type that is not in the catalog.
createReceiver<ShopEvents>({ secret, eventTypes: ['order.lost'] })

// What must not compile
// @ts-expect-error A misspelled event.
receiver.onEvent('artifact.redy', noop)
// @ts-expect-error A family that does not exist.
receiver.onEvent('scrape.*', noop)
// @ts-expect-error One of several is misspelled.
receiver.onEvent(['job.created', 'job.finished'], noop)
// @ts-expect-error Half a family.
receiver.onEvent('job.', noop)
// @ts-expect-error A handler is a function.
receiver.onEvent('job.created', 'save')
// @ts-expect-error A handler of another event.
receiver.onEvent('job.created', (event: EventOf<ScrapeNestEvents, 'artifact.ready'>) => void event)
// @ts-expect-error A misspelled event in the map.
createReceiver({ secret, onEvent: { 'artifact.redy': noop } })
// @ts-expect-error A family that does not exist in the map.
createReceiver({ secret, onEvent: { 'scrape.*': noop } })
// @ts-expect-error A misspelled option.
createReceiver({ secret, toleranceSecond: 300 })
// @ts-expect-error Seconds must be a number.
createReceiver({ secret, toleranceSeconds: '300' })
// @ts-expect-error The secret is required.
createReceiver({ onEvent: {} })
// @ts-expect-error A schema for an event that does not exist.
createReceiver({ secret, schemas: { 'job.finished': undefined } })
// @ts-expect-error An object is not the bytes of a body.
verify({ headers: {}, body: { event_type: 'job.created' } }, secret)

// verify and verifyEvent
const message = verify({ headers: new Headers(), body: new Uint8Array() }, ['whsec_…'])
expectTypeOf(message.sentAt).toEqualTypeOf<Date>()
expectTypeOf(message.secretIndex).toEqualTypeOf<number>()
const event = verifyEvent({ headers: { 'svix-id': ['a'] }, body: '' }, secret, { toleranceSeconds: 60 })
expectTypeOf(event).toEqualTypeOf<ScrapeNestEvent | UnknownEvent>()
if (event.event_type === 'job.created') expectTypeOf(event.data).toEqualTypeOf<JobCreatedData>()
// @ts-expect-error Not an event of the catalog.
if (event.event_type === 'job.creatd') noop()
// Only an event outside the catalog remains after every known type.
switch (event.event_type) {
  case 'job.created':
  case 'job.completed':
  case 'artifact.ready':
    break
  default:
    expectTypeOf(event).toEqualTypeOf<UnknownEvent>()
    expectTypeOf(event.data).toEqualTypeOf<unknown>()
    expectTypeOf(event.event_type).toExtend<string>()
}
// Fields that are not checked may be absent.
expectTypeOf(event.occurred_at).toEqualTypeOf<string | undefined>()
expectTypeOf(event.org_id).toEqualTypeOf<string | undefined>()
const own = verifyEvent<ShopEvents>({ headers: {}, body: '' }, secret)
if (own.event_type === 'order.sent') expectTypeOf(own.data.carrier).toEqualTypeOf<string>()

// Errors
try {
  noop()
} catch (error) {
  if (isWebhookError(error)) {
    expectTypeOf<typeof error.code>().toEqualTypeOf<WebhookErrorCode>()
    if (error.code === 'schema_mismatch') expectTypeOf(error.issues).toEqualTypeOf<readonly unknown[]>()
    if (error.code === 'retry_later') expectTypeOf(error.retryAfterSeconds).toEqualTypeOf<number>()
    if (error.code === 'missing_header') expectTypeOf(error.header).toEqualTypeOf<string | undefined>()
    // @ts-expect-error No such code.
    if (error.code === 'bad_signature') noop()
  }
}

new WebhookError('raw_body_unavailable', 'The fix.', { cause: new Error('parsed') })
// @ts-expect-error Only a RetryLaterError carries this code: it has a delay.
new WebhookError('retry_later')
// @ts-expect-error Only a SchemaMismatchError carries this code: it has issues.
new WebhookError('schema_mismatch')

// Handlers declared separately, also as in JavaScript, without type arguments.
const apart: EventHandlers = {
  'artifact.ready': (event) => expectTypeOf(event.data.download_url).toEqualTypeOf<string>(),
}
createReceiver({ secret, onEvent: apart })

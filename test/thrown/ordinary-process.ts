// Receives deliveries on every host with the inbox that its parent asks for, and reports which exceptions they threw.
import {
  createReceiver,
  type Receiver,
  type ReceiverOptions,
  type ScrapeNestEvents,
  type StandardSchema,
} from '@scrapenest-webhooks/core'
import { type Inbox, type InboxStats, memoryInbox, sqliteInbox } from '@scrapenest-webhooks/inbox'
import {
  createEvent,
  deliver,
  generateSecret,
  type SignDeliveryOptions,
  signDelivery,
  untilInboxStats,
} from '@scrapenest-webhooks/testing'
import { type InboxEngine, openPlace } from '../engines/engine-inboxes.ts'
import { type Before, type Host, hosts, nodeHosts } from '../hosts/hosts.ts'
import { ExceptionWatch, type Thrown } from './exception-watch.ts'

/** What one host answered, and what was thrown meanwhile. */
export interface Observed {
  readonly host: string
  readonly ordinary: { readonly answers: Readonly<Record<string, string>>; readonly thrown: readonly Thrown[] }
  readonly forged: { readonly answer: string; readonly thrown: readonly Thrown[] }
}

export interface Report {
  readonly observed: readonly Observed[]
  /** Of the inbox, when it has handled everything. */
  readonly stats: InboxStats | undefined
}

/** What the parent sends: an inbox, or none, and the place of its events. */
export type Subject =
  | { readonly kind: 'none' }
  | { readonly kind: 'memory' }
  | { readonly kind: 'SQLite'; readonly file: string }
  | { readonly kind: InboxEngine; readonly url: string; readonly name: string }

function createInbox(subject: Subject): Inbox | undefined {
  if (subject.kind === 'none') return undefined
  if (subject.kind === 'memory') return memoryInbox()
  if (subject.kind === 'SQLite') return sqliteInbox({ file: subject.file })
  return openPlace(subject.kind, subject).createInbox()
}

const secret = generateSecret()
const oldSecret = generateSecret()

const anything: StandardSchema<ScrapeNestEvents['job.created']> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => ({ value: value as ScrapeNestEvents['job.created'] }),
  },
}

/** The receiver of most applications, and one that uses what there is. */
function createReceivers(inbox: Inbox | undefined): readonly Receiver[] {
  const always: ReceiverOptions<ScrapeNestEvents> = {
    secret,
    inbox,
    logger: { warn() {}, error() {} },
    onEvent: { 'job.created': () => {} },
  }
  return [
    createReceiver(always),
    createReceiver({
      ...always,
      name: 'tenants',
      secret: async () => ({ secret: [oldSecret, secret], scope: 'tenant' }),
      allowedSources: ['127.0.0.1'],
      schemas: { 'job.created': anything },
      onUnknownEvent() {},
      onDelivery() {},
      onError() {},
    }),
  ]
}

/** A parser above the webhook that keeps the body. */
function keeping(form: (bytes: Buffer) => unknown): Before {
  return async (request, _response, next) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    Object.assign(request, { rawBody: form(Buffer.concat(chunks)) })
    next()
  }
}

/** Parsers above the webhook, or none. They matter to the reading of the body only, so not to an inbox. */
const parsers: readonly (Before | undefined)[] = [
  undefined,
  keeping((bytes) => bytes),
  keeping(String),
  // Express 4's, with a body that it leaves to others.
  (request, _response, next) => {
    Object.assign(request, { body: {} })
    next()
  },
]

async function send(
  url: string,
  event: object,
  secrets: Omit<SignDeliveryOptions, 'id'> = { secret },
): Promise<string> {
  const { status, reply } = await deliver(url, signDelivery(event, secrets))
  return `${status} ${JSON.stringify(reply)}`
}

async function sendOrdinary(url: string): Promise<Readonly<Record<string, string>>> {
  const event = createEvent('job.created')
  const answers = await Promise.all([
    send(url, event),
    send(url, createEvent('job.created'), { secret: oldSecret, alsoSignedWith: secret }),
    send(url, createEvent('job.completed')),
    send(url, { ...createEvent('job.created'), event_type: 'job.new' }),
    // Arrives in several segments.
    send(url, createEvent('job.created', { org_slug: 'x'.repeat(200_000) })),
  ])
  const [handled, rotating, unhandled, unknown, long] = answers
  return { handled, rotating, unhandled, unknown, long, duplicate: await send(url, event) }
}

const watch = await ExceptionWatch.start()

async function observe(
  host: Host,
  subject: { receiver: Receiver; inbox: Inbox | undefined; before: Before | undefined },
): Promise<Observed> {
  const { receiver, inbox, before } = subject
  // Every host also takes a ready receiver.
  const { url, close } = await host.serve({ receiver } as object as ReceiverOptions<ScrapeNestEvents>, before)
  let ordinary: Observed['ordinary']
  do {
    // What setting up the host threw.
    await watch.take()
    const answers = await sendOrdinary(url)
    if (inbox !== undefined) await untilInboxStats(inbox, { ready: 0, running: 0 }, 30_000)
    ordinary = { answers, thrown: await watch.take() }
    // An engine on a busy machine may answer too late, which is not ordinary.
  } while (Object.values(ordinary.answers).some((answer) => answer.startsWith('503')))
  const answer = await send(url, createEvent('job.created'), { secret: generateSecret() })
  const forged = { answer, thrown: await watch.take() }
  await close()
  return { host: host.name, ordinary, forged }
}

process.on('message', async (subject: Subject) => {
  const inbox = createInbox(subject)
  const receivers = createReceivers(inbox)
  const observed: Observed[] = []
  for (const receiver of receivers) {
    await receiver.start()
    for (const before of inbox === undefined ? parsers : [undefined]) {
      for (const host of before === undefined ? hosts : nodeHosts)
        observed.push(await observe(host, { receiver, inbox, before }))
    }
  }
  const stats = await inbox?.stats()
  for (const receiver of receivers) await receiver.close()
  process.send?.({ observed, stats } satisfies Report)
})
// The thread of the watch would keep the process alive.
process.once('disconnect', () => process.exit())

/** A part of the options page: the interfaces that one call, or one kind of call, takes. */
export interface OptionSection {
  readonly title: string
  readonly call: string
  readonly specifier: string
  readonly interfaces: readonly string[]
}

const scope = '@scrapenest-webhooks'

/** In the order of the page. A test finds exported interfaces of options that no section has. */
export const optionSections: readonly OptionSection[] = [
  section('Receiver', '`createReceiver`, and `scrapenestWebhooks` of every adapter', 'core', 'ReceiverOptions'),
  section(
    'Ready receiver',
    '`scrapenestWebhooks` of every adapter, instead of those of a receiver',
    'core',
    'WithReceiver',
  ),
  section('Fastify', '`scrapenestWebhooks`, in addition to those of the receiver', 'fastify', 'FastifyOptions'),
  section('Koa', '`scrapenestWebhooks`, in addition to those of the receiver', 'koa', 'KoaOptions'),
  section('Express', '`scrapenestWebhooks`, in addition to those of the receiver', 'express', 'ExpressOptions'),
  section('node:http', '`scrapenestWebhooks`, in addition to those of the receiver', 'node', 'NodeOptions'),
  section(
    'Fetch',
    '`scrapenestWebhooks` from `core/fetch`, in addition to those of the receiver',
    'core/fetch',
    'FetchOptions',
  ),
  section('Closing', '`receiver.close`', 'core', 'CloseOptions'),
  section('Duplicates in memory', '`memoryDuplicates`', 'core', 'MemoryDuplicatesOptions'),
  section('Rotating secret', '`rotatingSecret`', 'core', 'RotatingSecretOptions'),
  section('Verifying by hand', '`verify` and `verifyEvent`', 'core', 'VerifyOptions'),
  section('RetryLaterError', '`new RetryLaterError`', 'core', 'RetryLaterOptions'),
  section('Inbox in memory', '`memoryInbox`', 'inbox', 'InboxOptions'),
  section('Inbox on SQLite', '`sqliteInbox`', 'inbox', 'SqliteInboxOptions'),
  section('Inbox on BullMQ', '`bullmqInbox`', 'inbox-bullmq', 'BullmqInboxOptions'),
  section('Inbox on pg-boss', '`pgBossInbox`', 'inbox-pg-boss', 'PgBossInboxOptions'),
  section('Worker', '`createWorker`', 'inbox', 'WorkerOptions'),
  section('Listing events', '`inbox.list`, besides `limit` and `cursor`', 'inbox', 'InboxFilter'),
  section('One event', '`inbox.get`', 'inbox', 'InboxGetOptions'),
  section('Replaying events', '`inbox.replay`', 'inbox', 'ReplayFilter'),
  section('Purging events', '`inbox.purge`', 'inbox', 'PurgeFilter'),
  section('Client', '`new ScrapeNestClient`', 'client', 'ClientOptions'),
  section('API call', 'every method of the client', 'client', 'CallOptions'),
  section('Listing with the client', 'the lists of `client.webhookEndpoints`', 'client', 'CursorOptions'),
  section('Waiting for a job', '`jobs.wait`', 'client', 'WaitOptions'),
  section('Choosing an artifact', '`artifacts.getDownloadUrl`', 'client', 'ArtifactUrlOptions'),
  section('Reading an artifact', '`artifacts.downloadBytes`', 'client', 'ReadOptions'),
  section('Downloading an artifact', '`artifacts.download`', 'client', 'DownloadOptions'),
  section('Simulator', '`startSimulator`', 'simulator', 'SimulatorOptions'),
  section('Signed deliveries', '`signDelivery`', 'testing', 'SignDeliveryOptions'),
]

function section(title: string, call: string, specifier: string, ...interfaces: readonly string[]): OptionSection {
  return { title, call, specifier: `${scope}/${specifier}`, interfaces }
}

import {
  type CloseOptions,
  ConfigurationError,
  type EventSchemas,
  type HandlingOptions,
  type InboxConnection,
  type ScrapeNestEvents,
} from '@scrapenest-webhooks/core'
import { checkGraceMs, createInboxProcessor, defaultCloseGraceMs } from '@scrapenest-webhooks/core/adapter'

/** @typeParam Schemas the type of `schemas`, inferred from it. */
export interface WorkerOptions<Events extends object, Schemas = object>
  extends HandlingOptions<Events, never, Schemas> {
  /** The inbox that the receiving process stores events in: the same file or server. */
  readonly inbox: InboxConnection
}

/** Runs the handlers of stored events in a process that receives no deliveries. */
export interface InboxWorker extends AsyncDisposable {
  /**
   * Opens the inbox and starts working. Keeps the process alive until `close`. Idempotent; after `close` it does nothing.
   *
   * Resolves after the first attempt to open the inbox. If the store is unavailable, that is reported and opening is
   * retried.
   *
   * @throws {Error} if no retry can help, for example if a permission is missing or the file belongs to another application.
   */
  start(): Promise<void>
  /**
   * Stops claiming, waits for running handlers, aborts the rest and releases their events, all within `graceMs` (see
   * `Inbox.close`). Idempotent. Another call can only shorten the time.
   *
   * @param options.graceMs in milliseconds. Default: 8000.
   * @throws {ConfigurationError} `configuration_invalid`: `graceMs` is invalid. Nothing has been closed.
   */
  close(options?: CloseOptions): Promise<void>
}

/**
 * Creates a worker for an inbox whose receiver is created with `processing: false`. Both must have the same `name`.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an option is missing, malformed or unknown.
 *
 * @example
 * const worker = createWorker({ inbox: sqliteInbox({ file: './data/webhooks.db' }), onEvent: { 'artifact.ready': save } })
 * await worker.start()
 * process.once('SIGTERM', () => worker.close())
 * process.once('SIGINT', () => worker.close())
 */
export function createWorker<
  Events extends object = ScrapeNestEvents,
  Schemas extends EventSchemas<Events> = Record<never, never>,
>(options: WorkerOptions<Events, Schemas>): InboxWorker {
  const { inbox } = options
  if (typeof inbox?.start !== 'function') {
    throw new ConfigurationError('Expected inbox to be an Inbox, such as sqliteInbox(…).')
  }
  const consumer = createInboxProcessor<Events, Schemas>(options, { inbox: true })
  let started: Promise<void> | undefined
  let isClosed = false
  let keepAlive: NodeJS.Timeout | undefined

  async function start(): Promise<void> {
    // The inbox's own timers are unreferenced. Without this one, a process that only runs a worker would exit.
    keepAlive = setInterval(() => {}, 2_147_483_647)
    try {
      await inbox.start(consumer)
    } catch (error) {
      clearInterval(keepAlive)
      throw error
    }
  }

  const worker: InboxWorker = {
    async start() {
      if (isClosed) return
      started ??= start().catch((error) => {
        // `start` can be called again once the cause is fixed.
        started = undefined
        throw error
      })
      await started
    },
    async close({ graceMs = defaultCloseGraceMs } = {}) {
      checkGraceMs('graceMs', graceMs)
      isClosed = true
      try {
        await inbox.close({ graceMs, consumer })
      } finally {
        clearInterval(keepAlive)
      }
    },
    [Symbol.asyncDispose]: () => worker.close(),
  }
  return worker
}

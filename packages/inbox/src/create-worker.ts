import {
  type CloseOptions,
  ConfigurationError,
  type HandlingOptions,
  type InboxConnection,
  type ScrapeNestEvents,
} from '@scrapenest-webhooks/core'
import { createInboxProcessor } from '@scrapenest-webhooks/core/adapter'

export interface WorkerOptions<Events extends object> extends HandlingOptions<Events, never> {
  /** The inbox that the receiving process puts its events into: the same file, opened here. */
  readonly inbox: InboxConnection
}

/** A process, or a part of one, that runs the handlers of stored events and receives none. */
export interface InboxWorker extends AsyncDisposable {
  /** Opens the inbox and begins to work; keeps the process alive until `close`. Idempotent. */
  start(): Promise<void>
  /** Stops claiming, waits for running handlers, aborts those that are not done after `graceMs`, gives their events back. Idempotent. */
  close(options?: CloseOptions): Promise<void>
}

/**
 * Makes a worker for an inbox whose receiver has `processing: false`. Its `name` must be the receiver's.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an option is missing, malformed or unknown.
 *
 * @example
 * const worker = createWorker({ inbox: sqliteInbox({ file: './data/webhooks.db' }), onEvent: { 'artifact.ready': save } })
 * await worker.start()
 * process.once('SIGTERM', () => worker.close())
 */
export function createWorker<Events extends object = ScrapeNestEvents>(options: WorkerOptions<Events>): InboxWorker {
  const { inbox, ...handling } = options
  if (typeof inbox?.start !== 'function') {
    throw new ConfigurationError('Expected inbox to be what sqliteInbox, or another inbox, gives.')
  }
  const consumer = createInboxProcessor<Events>(handling as HandlingOptions<Events, never>)
  let started: Promise<void> | undefined
  let closed: Promise<void> | undefined
  let keepAlive: NodeJS.Timeout | undefined

  async function start(): Promise<void> {
    // The inbox's own timers keep no process alive; a worker's process has nothing else that does.
    keepAlive = setInterval(() => {}, 2_147_483_647)
    try {
      await inbox.start(consumer)
    } catch (error) {
      clearInterval(keepAlive)
      throw error
    }
  }

  async function close(graceMs = 10_000): Promise<void> {
    clearInterval(keepAlive)
    await inbox.close({ graceMs, consumer })
  }

  const worker: InboxWorker = {
    start() {
      started ??= start()
      return started
    },
    close(closing = {}) {
      closed ??= close(closing.graceMs)
      return closed
    },
    [Symbol.asyncDispose]: () => worker.close(),
  }
  return worker
}

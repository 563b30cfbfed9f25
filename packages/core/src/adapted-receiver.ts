import { checkKnownOptions, unexpected } from './check-options.ts'
import type { ScrapeNestEvents } from './events.ts'
import { createReceiver, type Receiver } from './receiver.ts'
import type { ReceiverOptions } from './receiver-options.ts'

/** What an adapter needs of a receiver; any catalogue and any context will do. */
export type ReadyReceiver = Pick<Receiver<ScrapeNestEvents, never>, 'receive' | 'start' | 'close'>

/** Instead of options, every adapter takes a receiver that was made elsewhere; it then neither starts nor closes it. */
export interface WithReceiver {
  readonly receiver: ReadyReceiver
}

/** The options of an adapter: those of a receiver, or a ready one. */
export type ReceiverSource<Context> = ReceiverOptions<ScrapeNestEvents, Context> | WithReceiver

/**
 * The receiver an adapter works with.
 *
 * @returns whether the adapter owns it: only then does the adapter start and close it.
 * @throws {ConfigurationError} `configuration_invalid`: malformed options, or options beside a ready receiver.
 */
export function adaptedReceiver<Context>(source: ReceiverSource<Context>): {
  readonly receiver: Receiver<ScrapeNestEvents, Context>
  readonly isOwned: boolean
} {
  if (typeof source === 'object' && source !== null && 'receiver' in source) {
    checkKnownOptions(source, { receiver: true })
    const { receiver } = source
    if (typeof receiver?.receive !== 'function') throw unexpected('receiver', receiver, 'what createReceiver gives')
    // Its own catalogue was checked where it was made; an adapter never looks at events.
    return { receiver: receiver as Receiver<ScrapeNestEvents, Context>, isOwned: false }
  }
  return { receiver: createReceiver<ScrapeNestEvents, Context>(source), isOwned: true }
}

/**
 * The same for a host without a life cycle of its own: a receiver that the adapter owns is started as soon as the code
 * that sets the server up has run, so that handlers added after the adapter was made are there.
 *
 * @throws {ConfigurationError} `configuration_invalid`, as `adaptedReceiver`
 */
export function selfStartingReceiver<Context>(source: ReceiverSource<Context>): Receiver<ScrapeNestEvents, Context> {
  const { receiver, isOwned } = adaptedReceiver(source)
  // An inbox that cannot be opened has told log and onError, and goes on trying: no reason to end the whole application.
  if (isOwned) setImmediate(() => void receiver.start().catch(() => {}))
  return receiver
}

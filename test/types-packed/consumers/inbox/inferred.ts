// Exports with inferred types, in an application whose only package of ours is the inbox.
import {
  createWorker,
  DeadEventError,
  defaultDelaysMs,
  HandlerOverdueError,
  InboxUnavailableError,
  jitteredBackoff,
  LeaseLostError,
  memoryInbox,
  sqliteInbox,
} from '@scrapenest-webhooks/inbox'
import * as enginesKit from '@scrapenest-webhooks/inbox/kit'

export const inbox = sqliteInbox({ file: './data/webhooks.db', backoff: jitteredBackoff() })
export const inMemory = memoryInbox()
export const { put, list, get, stats, replay, purge, start, check, capabilities } = inbox
export const page = inbox.list({ state: 'dead' })
export const summaries = async () => (await inbox.list()).events
export const record = inbox.get('event')
export const history = async () => (await inbox.get('event'))?.history
export const envelope = async () => (await inbox.get('event'))?.envelope
export const counts = inbox.stats()
export const replayed = inbox.replay({ state: 'dead' })
export const purged = inbox.purge({ state: 'done' })

export const worker = createWorker({ inbox, onEvent: { 'artifact.ready': ({ data }) => data.download_url } })
export const create = createWorker
export const close = worker.close

export const backoff = jitteredBackoff(defaultDelaysMs)
export const unavailable = new InboxUnavailableError('locked', 'The file is locked.')
export const fault = unavailable.fault
export const code = unavailable.code
export const others = [new LeaseLostError(), new HandlerOverdueError(60_000), new DeadEventError(8, 'handler_failed')]
export const kit = enginesKit
export const settings = enginesKit.readInboxOptions({})

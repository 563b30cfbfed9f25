/**
 * Building blocks for adapters, inboxes and workers. Applications import the main entry instead.
 *
 * Fetch-style servers need no adapter: use `core/fetch`. `docs/guides/an-adapter-of-your-own.md` shows how to write one
 * for another host; `@scrapenest-webhooks/testing` has the conformance checks it must pass.
 *
 * @module
 */
export {
  checkHooks,
  checkKnownOptions,
  checkOptionalPath,
  checkPath,
  checkWholeNumber,
} from './check.ts'
export { codeOf, messageOf, pageUrl, retryAfterSecondsOf, withPage } from './errors.ts'
export { type EventIdentity, eventKey, keyText } from './handle/event-key.ts'
export type { DispatchResult } from './handle/handlers.ts'
export { createInboxProcessor } from './handle/inbox-processor.ts'
// Lets the compiler name the types it infers for an adapter's exports.
export type * from './index.ts'
export { bodyTooLarge, findKeptBody, readWebBody } from './receive/body.ts'
export { checkGraceMs, Deadline } from './receive/close-deadline.ts'
export { defaultCloseGraceMs } from './receive/options.ts'
export { closingConnection, errorReply, notFoundReply } from './receive/reply.ts'
export { readHost } from './receive/request.ts'
export {
  type CatalogSchemas,
  type ReadyReceiver,
  type ReceiverOrOptions,
  type ResolveOptions,
  resolveReceiver,
  type WithReceiver,
} from './receive/resolve-receiver.ts'
export { defaultLogger } from './report/log.ts'

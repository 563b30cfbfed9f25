/**
 * What adapters, inboxes and workers are built with. Applications need none of it: theirs is the main entry.
 *
 * @module
 */
export {
  adaptedReceiver,
  type ReadyReceiver,
  type ReceiverSource,
  selfStartingReceiver,
  type WithReceiver,
} from './adapted-receiver.ts'
export { checkHooks, checkKnownOptions, checkWholeNumber } from './check-options.ts'
export { createInboxProcessor } from './inbox-processor.ts'
export { processWarnings } from './logger.ts'
export { checkPath } from './path.ts'
export { notFoundReply } from './reply.ts'

import type { InboxFilter, InboxState } from '@scrapenest-webhooks/inbox'
import { type Command, Option } from 'commander'
import type { LocationOptions } from '../inbox/inbox-location.ts'

export interface InboxOptions extends LocationOptions {
  readonly name?: string
  readonly json?: boolean
}

export interface FilterOptions extends InboxOptions {
  readonly scope?: string
  readonly state?: InboxState
  readonly type?: string
  readonly unhandled?: boolean
}

export function withInboxOptions(command: Command): Command {
  return command
    .addOption(new Option('-f, --file <path>', 'an SQLite inbox').default('data/webhooks.db'))
    .addOption(new Option('--redis [url]', 'an inbox on BullMQ; default: REDIS_URL').conflicts(['file', 'postgres']))
    .addOption(new Option('--postgres [url]', 'an inbox on pg-boss; default: DATABASE_URL').conflicts('file'))
    .option('--queue-prefix <text>', "the inbox's queuePrefix, with --redis or --postgres")
    .option('--redis-prefix <text>', "the inbox's prefix for all keys, with --redis")
    .option('--schema <name>', "the inbox's schema, with --postgres")
    .option('--name <text>', "the receiver's name, if several share the inbox")
    .option('--json', 'print JSON')
}

export function withFilter(command: Command, states: readonly InboxState[]): Command {
  return withInboxOptions(command)
    .option('--scope <text>', "only events of this tenant's scope")
    .addOption(new Option('-s, --state <state>', 'only events in this state').choices(states))
    .option('-t, --type <event>', 'only events of this type')
    .option('--unhandled', 'only done events that had no handler')
}

export function filterOf({ name, scope, state, type, unhandled }: FilterOptions): InboxFilter {
  return { name, scope, state, eventType: type, ...(unhandled && { isUnhandled: true }) }
}

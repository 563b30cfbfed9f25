import type { InboxFilter, InboxState } from '@scrapenest-webhooks/inbox'
import { type Command, Option } from 'commander'

export interface FileOptions {
  readonly file: string
  readonly name?: string
  readonly json?: boolean
}

export interface FilterOptions extends FileOptions {
  readonly state?: InboxState
  readonly type?: string
  readonly unhandled?: boolean
}

export function withFile(command: Command): Command {
  return command
    .option('-f, --file <path>', 'the file of the inbox', 'data/webhooks.db')
    .option('--name <text>', "the receiver's name, if several share the file")
    .option('--json', 'print JSON')
}

export function withFilter(command: Command, states: readonly InboxState[]): Command {
  return withFile(command)
    .addOption(new Option('-s, --state <state>', 'only events in this state').choices(states))
    .option('-t, --type <event>', 'only events of this type')
    .option('--unhandled', 'only done events that had no handler')
}

export function filterOf({ name, state, type, unhandled }: FilterOptions): InboxFilter {
  return { name, state, eventType: type, ...(unhandled && { isUnhandled: true }) }
}

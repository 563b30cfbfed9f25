import type { Command } from 'commander'
import { parseNumber } from '../arguments.ts'
import { purge, replay } from './inbox-change.ts'
import { withFilter, withInboxOptions } from './inbox-options.ts'
import { list, show, stats } from './inbox-read.ts'

export function addInbox(program: Command): void {
  const inbox = program
    .command('inbox')
    .description('Inspect an inbox, and replay or purge its events')
    .addHelpText(
      'after',
      `
Examples:
  $ scrapenest-webhooks inbox stats --file data/webhooks.db
  $ scrapenest-webhooks inbox list --state dead
  $ scrapenest-webhooks inbox replay 0f7a1c52-91de-4f0b-8a55-0b6f6d1f2c11
  $ scrapenest-webhooks inbox replay --state dead --yes --redis
  $ scrapenest-webhooks inbox stats --postgres --schema pgboss
  $ scrapenest-webhooks inbox purge --state done --finished-before 2026-01-01

A URL on the command line ends up in the history of your shell, with its
password: set REDIS_URL or DATABASE_URL instead.`,
    )
  withInboxOptions(inbox.command('stats').description('Count events by state')).action(stats)
  withFilter(inbox.command('list').description('List events without their bodies, newest first'), [
    'ready',
    'running',
    'done',
    'dead',
  ])
    .option('--limit <number>', 'maximum number of events', parseNumber({ min: 1, max: 1000 }), 50)
    .option('--cursor <text>', 'continue after the previous page')
    .action(list)
  withInboxOptions(inbox.command('show').description('Show an event with its body, attempts and errors'))
    .argument('<event-id>')
    .option('--scope <text>', "the tenant's scope")
    .option('--reveal', 'show download_url in full; it is a credential')
    .action(show)
  withFilter(inbox.command('replay').description('Make dead or done events ready again'), ['done', 'dead'])
    .argument('[event-id]', 'the event to replay; default: all events in --state')
    .option('--yes', 'replay all events in --state instead of only counting them')
    .action(replay)
  withFilter(inbox.command('purge').description('Delete dead or done events permanently'), ['done', 'dead'])
    .option('--finished-before <time>', 'only events that finished before this time (ISO 8601)')
    .option('--yes', 'delete the events instead of only counting them')
    .action(purge)
}

import { existsSync } from 'node:fs'
import type { FinalState, Inbox, InboxFilter, InboxRecord, InboxState } from '@scrapenest-webhooks/inbox'
import { type Command, Option } from 'commander'
import { parseNumber } from '../arguments.ts'
import { exitCodes } from '../exit-codes.ts'
import { bold, dim, green, printJson, printLine, printTable, redResult, showProgress, yellow } from '../output.ts'
import { UsageError } from '../report-failure.ts'

interface FileOptions {
  readonly file: string
  readonly name?: string
  readonly json?: boolean
}

interface FilterOptions extends FileOptions {
  readonly state?: InboxState
  readonly type?: string
  readonly unhandled?: boolean
}

export function addInbox(program: Command): void {
  const inbox = program
    .command('inbox')
    .description('Look into an SQLite inbox: what waits, what failed, and why; try again, clean up')
    .addHelpText(
      'after',
      `
Examples:
  $ scrapenest-webhooks inbox stats --file data/webhooks.db
  $ scrapenest-webhooks inbox list --state dead
  $ scrapenest-webhooks inbox replay 0f7a1c52-91de-4f0b-8a55-0b6f6d1f2c11
  $ scrapenest-webhooks inbox purge --state done --finished-before 2026-01-01T00:00:00Z --yes`,
    )
  withFile(inbox.command('stats').description('How many events are in each state')).action(stats)
  withFilter(inbox.command('list').description('The events, the latest first; contents are never shown'), [
    'ready',
    'running',
    'done',
    'dead',
  ])
    .option('--limit <number>', 'how many', parseNumber({ min: 1, max: 1000 }), 50)
    .option('--cursor <text>', 'continue where the page before ended')
    .action(list)
  withFile(inbox.command('show').description('One event: its content, its attempts and their errors'))
    .argument('<event-id>')
    .option('--reveal', 'show download_url in full; it is a credential')
    .action(show)
  withFilter(inbox.command('replay').description('Make dead or done events ready again'), ['done', 'dead'])
    .argument('[event-id]', 'this one; without it, all of --state')
    .action(replay)
  withFilter(inbox.command('purge').description('Delete dead or done events for good'), ['done', 'dead'])
    .option('--finished-before <time>', 'only those that ended before (ISO 8601)')
    .option('--yes', 'do it; without it, only say how many there are')
    .action(purge)
}

function withFile(command: Command): Command {
  return command
    .option('-f, --file <path>', 'the inbox', 'data/webhooks.db')
    .option('--name <text>', "the receiver's name, where several share the file")
    .option('--json', 'as JSON')
}

function withFilter(command: Command, states: readonly InboxState[]): Command {
  return withFile(command)
    .addOption(new Option('-s, --state <state>', 'only events of this state').choices(states))
    .option('-t, --type <event>', 'only events of this type')
    .option('--unhandled', 'only events that were done without a handler')
}

/** A misspelt path must not make an empty inbox. */
async function withInbox(file: string, work: (inbox: Inbox) => Promise<void>): Promise<void> {
  if (!existsSync(file)) throw new UsageError(`There is no file ${file}. Give the inbox with --file.`)
  const { sqliteInbox } = await import('@scrapenest-webhooks/inbox')
  const inbox = sqliteInbox({ file })
  try {
    await work(inbox)
  } finally {
    await inbox.close()
  }
}

function filterOf({ name, state, type, unhandled }: FilterOptions): InboxFilter {
  return { name, state, eventType: type, ...(unhandled && { isUnhandled: true }) }
}

async function stats({ file, name, json }: FileOptions): Promise<void> {
  await withInbox(file, async (inbox) => {
    const counts = await inbox.stats(name === undefined ? {} : { name })
    if (json) return printJson(counts)
    const { ready, running, done, dead, unhandled, oldestReadyAt } = counts
    const waiting = oldestReadyAt === undefined ? '' : dim(`  the oldest since ${oldestReadyAt.toISOString()}`)
    printLine(`ready    ${ready}${waiting}`)
    printLine(`running  ${running}`)
    printLine(`done     ${done}${unhandled > 0 ? dim(`  ${unhandled} of them without a handler`) : ''}`)
    printLine(`dead     ${dead > 0 ? redResult(String(dead)) : dead}`)
  })
}

async function list(options: FilterOptions & { readonly limit: number; readonly cursor?: string }): Promise<void> {
  await withInbox(options.file, async (inbox) => {
    const { limit, cursor } = options
    const page = await inbox.list({ ...filterOf(options), limit, cursor })
    if (options.json) return printJson(page)
    if (page.events.length === 0) return printLine('No event fits.')
    printTable(
      ['EVENT', 'TYPE', 'STATE', 'ATTEMPTS', 'RECEIVED'],
      page.events.map((event) => [
        event.eventId,
        event.eventType,
        event.isUnhandled ? 'done (unhandled)' : event.state,
        String(event.attempts),
        event.receivedAt.toISOString(),
      ]),
    )
    if (page.nextCursor !== undefined) printLine(dim(`More with --cursor ${page.nextCursor}`))
  })
}

async function show(eventId: string, options: FileOptions & { readonly reveal?: boolean }): Promise<void> {
  await withInbox(options.file, async (inbox) => {
    const record = await inbox.get(eventId, options.name === undefined ? {} : { name: options.name })
    if (record === undefined) {
      process.exitCode = exitCodes.notInOrder
      return printLine(`There is no event ${eventId}.`)
    }
    const { body: _, envelope, ...facts } = record
    const shown = options.reveal ? envelope : masked(envelope)
    if (options.json) return printJson({ ...facts, envelope: shown })
    printRecord(record)
    printLine(bold('Content'))
    printLine(shown === undefined ? dim('  dropped, or no event') : JSON.stringify(shown, null, 2))
  })
}

function printRecord(record: InboxRecord): void {
  printLine(`${bold(record.eventType)} ${record.eventId}`)
  printLine(`  state      ${record.state}${record.isUnhandled ? ' (unhandled)' : ''}`)
  printLine(`  message    ${record.messageId}`)
  printLine(`  received   ${record.receivedAt.toISOString()}`)
  if (record.dueAt !== undefined) printLine(`  due        ${record.dueAt.toISOString()}`)
  if (record.finishedAt !== undefined) printLine(`  finished   ${record.finishedAt.toISOString()}`)
  printLine(bold('Attempts'))
  for (const { attempt, startedAt, durationMs, error } of record.history) {
    const result =
      error === undefined ? green('succeeded') : redResult(`${error.code}: ${error.name}: ${error.message}`)
    printLine(`  ${attempt}  ${startedAt.toISOString()}  ${durationMs} ms  ${result}`)
  }
  if (record.history.length === 0) printLine(dim('  none has ended'))
}

/** Keeps enough of a URL to recognise it, and leaves out what makes it a credential. */
function masked(envelope: InboxRecord['envelope']): unknown {
  if (envelope === undefined) return undefined
  return JSON.parse(JSON.stringify(envelope), (key, value: unknown) => {
    if (key !== 'download_url' || typeof value !== 'string') return value
    return URL.canParse(value) ? `${new URL(value).origin}/… (--reveal shows it)` : '…'
  })
}

async function replay(eventId: string | undefined, options: FilterOptions): Promise<void> {
  await withInbox(options.file, async (inbox) => {
    const filter = filterOf(options)
    if (eventId === undefined && filter.state === undefined)
      throw new UsageError('Give an event id, or --state dead or --state done.')
    const chosen = eventId === undefined ? { ...filter, state: filter.state as FinalState } : { ...filter, eventId }
    const result = await inbox.replay(chosen)
    if (options.json) return printJson(result)
    printLine(`${result.replayed > 0 ? green('✓') : yellow('!')} ${result.replayed} made ready again.`)
    if (result.withoutPayload > 0) printLine(`  ${result.withoutPayload} could not: their content was dropped.`)
  })
}

async function purge(
  options: FilterOptions & { readonly finishedBefore?: string; readonly yes?: boolean },
): Promise<void> {
  const { state } = options
  if (state === undefined) throw new UsageError('Give --state done or --state dead.')
  const finishedBefore = options.finishedBefore === undefined ? undefined : new Date(options.finishedBefore)
  if (Number.isNaN(finishedBefore?.getTime())) throw new UsageError('Expected --finished-before as ISO 8601.')
  await withInbox(options.file, async (inbox) => {
    const filter = { ...filterOf(options), state: state as FinalState, finishedBefore }
    const isDone = options.yes === true
    const count = isDone ? await inbox.purge(filter) : await countEvents(inbox, filter)
    if (options.json) return printJson({ [isDone ? 'purged' : 'wouldPurge']: count })
    if (isDone) printLine(`${green('✓')} ${count} deleted.`)
    else printLine(`${count} would be deleted. ${yellow('--yes does it.')}`)
  })
}

async function countEvents(inbox: Inbox, filter: InboxFilter): Promise<number> {
  const counts = await inbox.stats(filter.name === undefined ? {} : { name: filter.name })
  const total = counts[filter.state ?? 'done']
  let count = 0
  for (let cursor: string | undefined; ; ) {
    const page = await inbox.list({ ...filter, limit: 1000, cursor })
    count += page.events.length
    cursor = page.nextCursor
    if (cursor === undefined) break
    showProgress(count, total, 'events looked at')
  }
  showProgress(1, 1, '')
  return count
}

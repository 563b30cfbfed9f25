import type { InboxRecord } from '@scrapenest-webhooks/inbox'
import { exitCodes } from '../exit-codes.ts'
import { maskCredentials } from '../inbox/mask-credentials.ts'
import { withInbox } from '../inbox/open-inbox.ts'
import {
  bold,
  dim,
  green,
  printErrorLine,
  printJson,
  printLine,
  printTable,
  printText,
  red,
} from '../terminal/print.ts'
import { type FilterOptions, filterOf, type InboxOptions } from './inbox-options.ts'

export async function stats(options: InboxOptions): Promise<void> {
  const { name, json } = options
  await withInbox(options, async (inbox) => {
    const counts = await inbox.stats(name === undefined ? {} : { name })
    const { ready, running, done, dead, unhandled, oldestReadyAt } = counts
    if (name !== undefined && ready + running + done + dead === 0) {
      process.exitCode = exitCodes.problemFound
      printErrorLine(`This inbox has no events for a receiver named ${name}. Omit --name to count all events.`)
    }
    if (json) return printJson(counts)
    printLine(`ready    ${ready}`, dim(oldestReadyAt === undefined ? '' : `  oldest: ${oldestReadyAt.toISOString()}`))
    printLine(`running  ${running}`)
    printLine(`done     ${done}`, dim(unhandled > 0 ? `  ${unhandled} without a handler` : ''))
    printLine('dead     ', dead > 0 ? red(String(dead)) : '0')
  })
}

export async function list(
  options: FilterOptions & { readonly limit: number; readonly cursor?: string },
): Promise<void> {
  await withInbox(options, async (inbox) => {
    const { limit, cursor } = options
    const page = await inbox.list({ ...filterOf(options), limit, cursor })
    if (options.json) return printJson(page)
    if (page.events.length === 0) return printLine('No matching events.')
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
    if (page.nextCursor !== undefined) printLine(dim(`For more, add --cursor ${page.nextCursor}`))
  })
}

export async function show(
  eventId: string,
  options: InboxOptions & { readonly scope?: string; readonly reveal?: boolean },
): Promise<void> {
  const { name, scope } = options
  await withInbox(options, async (inbox) => {
    const record = await inbox.get(eventId, { name, scope })
    if (record === undefined) {
      process.exitCode = exitCodes.problemFound
      return printErrorLine(`No event ${eventId}.`)
    }
    const shown = options.reveal ? record : maskCredentials(record)
    const { body: _, ...withoutBody } = shown
    if (options.json) return printJson(withoutBody)
    printRecord(shown)
    printLine(bold('Content'))
    if (shown.envelope === undefined) printLine(dim('  dropped, or not an event'))
    else printText(JSON.stringify(shown.envelope, null, 2))
  })
}

function printRecord(record: InboxRecord): void {
  printLine(bold(record.eventType), ` ${record.eventId}`)
  printLine(`  state      ${record.state}${record.isUnhandled ? ' (unhandled)' : ''}`)
  printLine(`  message    ${record.messageId}`)
  printLine(`  received   ${record.receivedAt.toISOString()}`)
  if (record.dueAt !== undefined) printLine(`  due        ${record.dueAt.toISOString()}`)
  if (record.finishedAt !== undefined) printLine(`  finished   ${record.finishedAt.toISOString()}`)
  printLine(bold('Attempts'))
  for (const { attempt, startedAt, durationMs, error } of record.history) {
    const result = error === undefined ? green('succeeded') : red(`${error.code}: ${error.name}: ${error.message}`)
    printLine(`  ${attempt}  ${startedAt.toISOString()}  ${durationMs} ms  `, result)
  }
  if (record.history.length === 0) printLine(dim('  none finished yet'))
}

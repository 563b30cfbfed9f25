import type { InboxRecord } from '@scrapenest-webhooks/inbox'
import { exitCodes } from '../exit-codes.ts'
import { maskEnvelope } from '../inbox/mask-credentials.ts'
import { withInbox } from '../inbox/open-inbox.ts'
import { bold, dim, green, printJson, printLine, printTable, printText, red } from '../terminal/print.ts'
import { type FileOptions, type FilterOptions, filterOf } from './inbox-options.ts'

export async function stats({ file, name, json }: FileOptions): Promise<void> {
  await withInbox(file, async (inbox) => {
    const counts = await inbox.stats(name === undefined ? {} : { name })
    if (json) return printJson(counts)
    const { ready, running, done, dead, unhandled, oldestReadyAt } = counts
    printLine(`ready    ${ready}`, dim(oldestReadyAt === undefined ? '' : `  oldest: ${oldestReadyAt.toISOString()}`))
    printLine(`running  ${running}`)
    printLine(`done     ${done}`, dim(unhandled > 0 ? `  ${unhandled} without a handler` : ''))
    printLine('dead     ', dead > 0 ? red(String(dead)) : '0')
  })
}

export async function list(
  options: FilterOptions & { readonly limit: number; readonly cursor?: string },
): Promise<void> {
  await withInbox(options.file, async (inbox) => {
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
    if (page.nextCursor !== undefined) printLine(dim(`More with --cursor ${page.nextCursor}`))
  })
}

export async function show(eventId: string, options: FileOptions & { readonly reveal?: boolean }): Promise<void> {
  await withInbox(options.file, async (inbox) => {
    const record = await inbox.get(eventId, options.name === undefined ? {} : { name: options.name })
    if (record === undefined) {
      process.exitCode = exitCodes.notInOrder
      return printLine(`There is no event ${eventId}.`)
    }
    const { body: _, envelope, ...facts } = record
    const shown = options.reveal ? envelope : maskEnvelope(envelope)
    if (options.json) return printJson({ ...facts, envelope: shown })
    printRecord(record)
    printLine(bold('Content'))
    if (shown === undefined) printLine(dim('  dropped, or not an event'))
    else printText(JSON.stringify(shown, null, 2))
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
  if (record.history.length === 0) printLine(dim('  none has ended yet'))
}

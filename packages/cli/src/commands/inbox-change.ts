import type { FinalState, ReplayResult } from '@scrapenest-webhooks/inbox'
import { parseIsoTime } from '../arguments.ts'
import { exitCodes } from '../exit-codes.ts'
import { countEvents } from '../inbox/count-events.ts'
import { withInbox } from '../inbox/open-inbox.ts'
import { trackChange } from '../inbox/track-change.ts'
import { green, printErrorLine, printJson, printLine, showProgress, yellow } from '../terminal/print.ts'
import { UsageError } from '../usage-error.ts'
import { type FilterOptions, filterOf } from './inbox-options.ts'

export async function replay(
  eventId: string | undefined,
  options: FilterOptions & { readonly yes?: boolean },
): Promise<void> {
  const { state } = options
  if (eventId !== undefined) return replayEvent(eventId, options)
  if (state === undefined) throw new UsageError('Pass an event id, --state dead or --state done.')
  await withInbox(options, async (inbox) => {
    const filter = { ...filterOf(options), state: state as FinalState }
    if (options.yes) {
      const result = await trackChange(inbox, filter, showProgress, () => inbox.replay(filter))
      return printReplayed(result, options)
    }
    const wouldReplay = await countEvents(inbox, filter, showProgress)
    if (options.json) return printJson({ wouldReplay })
    printLine(`${wouldReplay} would be replayed. `, yellow('Add --yes to replay them.'))
  })
}

/** A single event needs no `--yes`, because its id was typed. */
async function replayEvent(eventId: string, options: FilterOptions): Promise<void> {
  await withInbox(options, async (inbox) => {
    const result = await inbox.replay({ ...filterOf(options), eventId })
    if (result.replayed === 0) process.exitCode = exitCodes.problemFound
    if (options.json || result.replayed + result.withoutPayload > 0) return printReplayed(result, options)
    printErrorLine(`No dead or done event ${eventId} matches.`)
  })
}

function printReplayed({ replayed, withoutPayload }: ReplayResult, { json }: FilterOptions): void {
  if (json) {
    printJson({ replayed, withoutPayload })
    return
  }
  printLine(replayed > 0 ? green('✓') : yellow('!'), ` Ready again: ${replayed}.`)
  if (withoutPayload > 0) printLine(`  Not replayed: ${withoutPayload} without a stored body.`)
}

export async function purge(
  options: FilterOptions & { readonly finishedBefore?: string; readonly yes?: boolean },
): Promise<void> {
  const { state } = options
  if (state === undefined) throw new UsageError('Pass --state done or --state dead.')
  const finishedBefore =
    options.finishedBefore === undefined ? undefined : new Date(parseIsoTime(options.finishedBefore))
  if (Number.isNaN(finishedBefore?.getTime()))
    throw new UsageError(
      'Expected --finished-before to be an ISO 8601 time, such as 2026-01-31 or 2026-01-31T09:30:00Z.',
    )
  await withInbox(options, async (inbox) => {
    const filter = { ...filterOf(options), state: state as FinalState, finishedBefore }
    if (options.yes) {
      const purged = await trackChange(inbox, filter, showProgress, () => inbox.purge(filter))
      if (options.json) return printJson({ purged })
      return printLine(green('✓'), ` Deleted: ${purged}.`)
    }
    const wouldPurge = await countEvents(inbox, filter, showProgress)
    if (options.json) return printJson({ wouldPurge })
    printLine(`${wouldPurge} would be deleted. `, yellow('Add --yes to delete them.'))
  })
}

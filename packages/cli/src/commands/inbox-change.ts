import type { FinalState } from '@scrapenest-webhooks/inbox'
import { countEvents } from '../inbox/count-events.ts'
import { withInbox } from '../inbox/open-inbox.ts'
import { green, printJson, printLine, showProgress, yellow } from '../terminal/print.ts'
import { UsageError } from '../usage-error.ts'
import { type FilterOptions, filterOf } from './inbox-options.ts'

export async function replay(eventId: string | undefined, options: FilterOptions): Promise<void> {
  const filter = filterOf(options)
  if (eventId === undefined && filter.state === undefined)
    throw new UsageError('Pass an event id, or --state dead or --state done.')
  await withInbox(options.file, async (inbox) => {
    const chosen = eventId === undefined ? { ...filter, state: filter.state as FinalState } : { ...filter, eventId }
    const result = await inbox.replay(chosen)
    if (options.json) return printJson(result)
    printLine(result.replayed > 0 ? green('✓') : yellow('!'), ` Ready again: ${result.replayed}.`)
    if (result.withoutPayload > 0) printLine(`  Not replayed: ${result.withoutPayload}, whose content was dropped.`)
  })
}

export async function purge(
  options: FilterOptions & { readonly finishedBefore?: string; readonly yes?: boolean },
): Promise<void> {
  const { state } = options
  if (state === undefined) throw new UsageError('Pass --state done or --state dead.')
  const finishedBefore = options.finishedBefore === undefined ? undefined : new Date(options.finishedBefore)
  if (Number.isNaN(finishedBefore?.getTime())) throw new UsageError('Expected --finished-before as ISO 8601.')
  await withInbox(options.file, async (inbox) => {
    const filter = { ...filterOf(options), state: state as FinalState, finishedBefore }
    if (options.yes) {
      const purged = await inbox.purge(filter)
      if (options.json) return printJson({ purged })
      return printLine(green('✓'), ` Deleted: ${purged}.`)
    }
    const wouldPurge = await countEvents(inbox, filter, showProgress)
    if (options.json) return printJson({ wouldPurge })
    printLine(`${wouldPurge} would be deleted. `, yellow('Add --yes to delete them.'))
  })
}

import type { FinalState, Inbox, InboxFilter } from '@scrapenest-webhooks/inbox'

/** Counts the events that a filter selects, page by page, because `stats` only counts by name and state. */
export async function countEvents(
  inbox: Inbox,
  filter: InboxFilter & { readonly state: FinalState },
  onProgress: (done: number, total: number, label: string) => void,
): Promise<number> {
  const stats = await inbox.stats(filter.name === undefined ? {} : { name: filter.name })
  const total = stats[filter.state]
  let count = 0
  let cursor: string | undefined
  do {
    const page = await inbox.list({ ...filter, limit: 1000, cursor })
    count += page.events.length
    cursor = page.nextCursor
    if (cursor !== undefined) onProgress(count, total, 'events counted')
  } while (cursor !== undefined)
  onProgress(total, total, '')
  return count
}

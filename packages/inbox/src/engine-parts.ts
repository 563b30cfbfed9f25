import { ConfigurationError } from '@scrapenest-webhooks/core'
import { checkKnownOptions, checkWholeNumber } from '@scrapenest-webhooks/core/adapter'
import type { InboxFilter, InboxQuery, InboxSummary, PurgeFilter, ReplayFilter } from './contract.ts'

const knownFilters: Readonly<Record<keyof InboxFilter, true>> = {
  eventId: true,
  eventType: true,
  finishedBefore: true,
  isUnhandled: true,
  name: true,
  receivedBefore: true,
  receivedFrom: true,
  state: true,
}

/** @throws {ConfigurationError} `configuration_invalid` */
export function checkPageQuery(query: InboxQuery, cursorForm: RegExp): { readonly limit: number } {
  checkKnownOptions(query, { ...knownFilters, cursor: true, limit: true })
  const { limit = 50, cursor } = query
  checkWholeNumber('limit', limit, { min: 1, max: 1000 })
  if (cursor !== undefined && !cursorForm.test(cursor)) {
    throw new ConfigurationError('Expected cursor to be the nextCursor of the page before.')
  }
  return { limit }
}

/** @throws {ConfigurationError} `configuration_invalid` */
export function checkReplayFilter(filter: ReplayFilter): void {
  checkKnownOptions(filter, knownFilters)
  if (filter.eventId !== undefined || filter.state !== undefined) return
  throw new ConfigurationError("replay needs an eventId or a state ('dead' or 'done'): it runs nothing by accident.")
}

/** @throws {ConfigurationError} `configuration_invalid` */
export function checkPurgeFilter(filter: PurgeFilter): void {
  // A misspelt condition would be none, and delete everything.
  checkKnownOptions(filter, knownFilters)
  const { state } = filter
  if (state === 'dead' || state === 'done') return
  throw new ConfigurationError("purge needs a state, 'dead' or 'done': what waits or runs is never deleted.")
}

/** Whether an event is one that the filter selects, for an engine that cannot select by itself. */
export function fitsFilter(summary: InboxSummary, filter: InboxFilter): boolean {
  for (const key of ['name', 'eventId', 'eventType', 'state', 'isUnhandled'] as const) {
    if (filter[key] !== undefined && filter[key] !== summary[key]) return false
  }
  const { receivedAt, finishedAt } = summary
  const { receivedFrom, receivedBefore, finishedBefore } = filter
  if (receivedFrom !== undefined && receivedAt < receivedFrom) return false
  if (receivedBefore !== undefined && receivedAt >= receivedBefore) return false
  return finishedBefore === undefined || (finishedAt !== undefined && finishedAt < finishedBefore)
}

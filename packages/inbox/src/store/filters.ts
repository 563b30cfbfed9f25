import { types } from 'node:util'
import { ConfigurationError } from '@scrapenest-webhooks/core'
import { checkKnownOptions, checkWholeNumber, type EventIdentity } from '@scrapenest-webhooks/core/adapter'
import type {
  InboxFilter,
  InboxGetOptions,
  InboxQuery,
  InboxState,
  InboxSummary,
  PurgeFilter,
  ReplayFilter,
} from '../contract.ts'

const filterFields: Readonly<Record<keyof InboxFilter, true>> = {
  eventId: true,
  eventType: true,
  finishedBefore: true,
  isUnhandled: true,
  name: true,
  receivedBefore: true,
  receivedFrom: true,
  scope: true,
  state: true,
}

export interface PageRequest {
  readonly filter: InboxFilter
  readonly limit: number
  readonly cursor: string | undefined
}

/**
 * @param cursorForm the format of this engine's `nextCursor`.
 * @throws {ConfigurationError} `configuration_invalid`
 */
export function readQuery(query: InboxQuery, cursorForm: RegExp): PageRequest {
  checkObject('the query', query)
  const { limit = 50, cursor, ...filter } = query
  checkKnownOptions(query, { ...filterFields, cursor: true, limit: true })
  checkFields(filter)
  checkWholeNumber('limit', limit, { min: 1, max: 1000 })
  if (cursor !== undefined && !cursorForm.test(cursor)) {
    throw new ConfigurationError('Expected `cursor` to be the `nextCursor` of the previous page.')
  }
  return { filter, limit, cursor }
}

/** @throws {ConfigurationError} `configuration_invalid` */
export function readIdentity(eventId: string, options: InboxGetOptions | undefined): Required<EventIdentity> {
  checkType('eventId', eventId ?? null, 'string')
  const { name = 'scrapenest', scope = '' } = checkOptions(options, { name: true, scope: true })
  return { name, scope, eventId }
}

/** @throws {ConfigurationError} `configuration_invalid` */
export function readStatsOptions(options: { readonly name?: string } | undefined): string | undefined {
  return checkOptions(options, { name: true }).name
}

function checkOptions(
  options: InboxGetOptions | undefined,
  known: Readonly<Partial<Record<keyof InboxGetOptions, true>>>,
): InboxGetOptions {
  if (options === undefined) return {}
  checkObject('the options', options)
  checkKnownOptions(options, known)
  for (const field of ['name', 'scope'] as const) checkType(field, options[field], 'string')
  return options
}

function checkObject(what: string, value: unknown): void {
  if (typeof value === 'object' && value !== null) return
  throw new ConfigurationError(`Expected ${what} to be an object, got ${value === null ? 'null' : typeof value}.`)
}

/** @throws {ConfigurationError} `configuration_invalid` */
export function checkReplayFilter(filter: ReplayFilter): void {
  checkFilter(filter)
  // Typed as InboxFilter, because callers in JavaScript can pass any state.
  const { eventId, state }: InboxFilter = filter
  if (state === undefined ? eventId !== undefined : state !== 'running') return
  throw new ConfigurationError(
    "replay needs an `eventId` or a `state` ('dead', 'done' or 'ready'). Without either, it would run every event.",
  )
}

/** @throws {ConfigurationError} `configuration_invalid` */
export function checkPurgeFilter(filter: PurgeFilter): void {
  checkFilter(filter)
  const { state } = filter
  if (state === 'dead' || state === 'done') return
  throw new ConfigurationError(
    "purge needs a `state` of 'dead' or 'done': waiting and running events are never deleted.",
  )
}

/** A misspelled or invalid condition would otherwise select everything. */
function checkFilter(filter: InboxFilter): void {
  checkObject('the filter', filter)
  checkKnownOptions(filter, filterFields)
  checkFields(filter)
}

function checkFields(filter: InboxFilter): void {
  for (const field of ['name', 'scope', 'eventId', 'eventType'] as const) checkType(field, filter[field], 'string')
  checkType('isUnhandled', filter.isUnhandled, 'boolean')
  if (filter.state !== undefined && !states.includes(filter.state)) {
    throw new ConfigurationError(`Expected state to be ${states.join(', ')}, got ${JSON.stringify(filter.state)}.`)
  }
  for (const field of ['receivedFrom', 'receivedBefore', 'finishedBefore'] as const) checkDate(field, filter[field])
}

const states: readonly (InboxState | undefined)[] = ['ready', 'running', 'done', 'dead']

function checkType(field: string, value: unknown, type: 'string' | 'boolean'): void {
  if (value === undefined || typeof value === type) return
  throw new ConfigurationError(`Expected ${field} to be a ${type}, got ${value === null ? 'null' : typeof value}.`)
}

/** Accepts a Date from another realm (Jest, `node:vm`). */
function checkDate(field: string, value: unknown): void {
  if (value === undefined) return
  const isDate = types.isDate(value)
  if (isDate && !Number.isNaN(value.getTime())) return
  throw new ConfigurationError(`Expected ${field} to be a valid Date, got ${isDate ? 'an invalid one' : typeof value}.`)
}

/** Whether the filter selects an event. For stores that cannot run queries. */
export function fitsFilter(summary: InboxSummary, filter: InboxFilter): boolean {
  for (const field of ['name', 'scope', 'eventId', 'eventType', 'state', 'isUnhandled'] as const) {
    if (filter[field] !== undefined && filter[field] !== summary[field]) return false
  }
  const { receivedAt, finishedAt } = summary
  const { receivedFrom, receivedBefore, finishedBefore } = filter
  if (receivedFrom !== undefined && receivedAt < receivedFrom) return false
  if (receivedBefore !== undefined && receivedAt >= receivedBefore) return false
  return finishedBefore === undefined || (finishedAt !== undefined && finishedAt < finishedBefore)
}

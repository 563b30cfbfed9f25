import { randomUUID } from 'node:crypto'
import type { EventOf, EventType, ScrapeNestEvents } from '@scrapenest-webhooks/core'

type Overrides<Type extends EventType<ScrapeNestEvents>> = Partial<Omit<EventOf<ScrapeNestEvents, Type>, 'data'>> & {
  readonly data?: Partial<ScrapeNestEvents[Type]>
}

/**
 * Creates an event like those ScrapeNest sends, with its own `event_id` and your overrides.
 *
 * @param overrides fields of the envelope and of `data`. `{ data: { status: 'failed' } }` creates a failed
 * `job.completed`, with the fields of a failure.
 *
 * @example
 * const event = createEvent('artifact.ready', { data: { artifact_type: 'screenshot' } })
 */
export function createEvent<Type extends EventType<ScrapeNestEvents>>(
  type: Type,
  overrides: Overrides<Type> = {},
): EventOf<ScrapeNestEvents, Type> {
  const { data, ...envelope } = overrides
  const occurredAt = new Date().toISOString().replace(/\.[0-9]+Z$/, 'Z')
  return {
    event_id: randomUUID(),
    event_type: type,
    version: '1.0.0',
    schema_ref: `schemas/webhooks/v1/${type}.json`,
    occurred_at: occurredAt,
    org_id: '5a3d9f0e-7c41-4c67-9d0c-3f6f2b9a1e77',
    org_slug: 'example-org',
    ...withoutUndefined(envelope),
    data: { ...sampleData(type, data, occurredAt), ...withoutUndefined(data ?? {}) },
    // The compiler cannot tell which branch of sampleData belongs to Type.
  } as unknown as EventOf<ScrapeNestEvents, Type>
}

/** An explicit `undefined` means the default. */
function withoutUndefined(overrides: object): object {
  return Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined))
}

function sampleData(type: EventType<ScrapeNestEvents>, overrides: object | undefined, at: string): object {
  const job_id = randomUUID()
  switch (type) {
    case 'job.created':
      return { job_id, job_type: 'light', status: 'queued', target_url: 'https://shop.example/item/1', created_at: at }
    case 'artifact.ready':
      return {
        job_id,
        artifact_type: 'html',
        download_url: `https://artifacts.example/${job_id}/page.html?signature=sample`,
      }
    case 'job.completed':
      return (overrides as { status?: string } | undefined)?.status === 'failed'
        ? { job_id, status: 'failed', failure_reason: 'timeout', duration_ms: 30_000, completed_at: at }
        : { job_id, status: 'succeeded', artifact_count: 1, duration_ms: 1250, completed_at: at }
  }
}

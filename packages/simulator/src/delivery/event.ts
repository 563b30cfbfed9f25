import { randomUUID } from 'node:crypto'

/** An event to send: ScrapeNest's envelope around `data`. */
export interface OutgoingEvent {
  readonly event_id: string
  readonly event_type: string
  readonly [field: string]: unknown
}

/** The simulator's only organization. Every event names it. */
const organization = { org_id: '5a3d9f0e-7c41-4c67-9d0c-3f6f2b9a1e77', org_slug: 'simulated-org' }

/** Creates an event with a new `event_id`. */
export function createEvent(eventType: string, data: object): OutgoingEvent {
  return {
    event_id: randomUUID(),
    event_type: eventType,
    version: '1.0.0',
    schema_ref: `schemas/webhooks/v1/${eventType}.json`,
    occurred_at: new Date().toISOString(),
    ...organization,
    data,
  }
}

/**
 * Creates an event of any type, with sample data if the type is in ScrapeNest's catalog.
 *
 * @param data overrides fields of the sample, except with `undefined`. `{ status: 'failed' }` turns `job.completed` into the event of a failed job.
 */
export function sampleEvent(eventType: string, data: Readonly<Record<string, unknown>> = {}): OutgoingEvent {
  const overrides = Object.entries(data).filter(([, value]) => value !== undefined)
  return createEvent(eventType, { ...sampleData(eventType, data['status']), ...Object.fromEntries(overrides) })
}

function sampleData(eventType: string, status: unknown): object {
  const job_id = randomUUID()
  const now = new Date().toISOString()
  switch (eventType) {
    case 'job.created':
      return { job_id, job_type: 'light', status: 'queued', target_url: 'https://shop.example/item/1', created_at: now }
    case 'artifact.ready': {
      const download_url = `https://artifacts.example/${job_id}/page.html?signature=sample`
      return { job_id, artifact_type: 'html', download_url }
    }
    case 'job.completed':
      return status === 'failed'
        ? { job_id, status, failure_reason: 'timeout', duration_ms: 30_000, completed_at: now }
        : { job_id, status: 'succeeded', artifact_count: 1, duration_ms: 1250, completed_at: now }
    default:
      return {}
  }
}

import { randomUUID } from 'node:crypto'

const words = 'The page answered late, and part of what it showed was drawn by scripts that had not ended. '

/** A ScrapeNest event as JSON, padded to a size with text in one field. Each call returns a different event. */
export function eventOfSize(bytes: number): string {
  const event = {
    event_id: randomUUID(),
    event_type: 'job.completed',
    version: '1.0.0',
    schema_ref: 'schemas/webhooks/v1/job.completed.json',
    occurred_at: '2026-02-03T10:15:04Z',
    org_id: '5a3d9f0e-7c41-4c67-9d0c-3f6f2b9a1e77',
    org_slug: 'example-org',
    data: { job_id: randomUUID(), status: 'succeeded', artifact_count: 2, duration_ms: 3180, remarks: '' },
  }
  const missing = Math.max(0, bytes - JSON.stringify(event).length)
  event.data.remarks = words.repeat(Math.ceil(missing / words.length)).slice(0, missing)
  return JSON.stringify(event)
}

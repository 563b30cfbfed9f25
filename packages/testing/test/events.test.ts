import { describe, expect, it } from 'vitest'
import { createEvent } from '../src/index.ts'

describe('createEvent', () => {
  it('keeps the default of a field whose override is undefined', () => {
    const overrides = { event_id: undefined, org_slug: undefined, data: { job_id: undefined, status: 'failed' } }
    expect(createEvent('job.completed', overrides as object)).toMatchObject({
      event_id: expect.any(String),
      org_slug: 'example-org',
      data: { job_id: expect.any(String), status: 'failed', failure_reason: 'timeout' },
    })
  })
})

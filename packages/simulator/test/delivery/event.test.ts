import { describe, expect, it } from 'vitest'
import { sampleEvent } from '../../src/index.ts'

describe('a sample event', () => {
  it('has an envelope, a new event_id, and the data of its type', () => {
    const event = sampleEvent('artifact.ready')
    expect(event).toMatchObject({
      event_type: 'artifact.ready',
      schema_ref: 'schemas/webhooks/v1/artifact.ready.json',
      data: { job_id: expect.any(String), artifact_type: 'html', download_url: expect.stringMatching(/^https:/) },
    })
    expect(sampleEvent('artifact.ready').event_id).not.toBe(event.event_id)
  })

  it('keeps a field whose override is undefined', () => {
    expect(sampleEvent('job.created', { job_id: undefined, status: undefined })['data']).toMatchObject({
      job_id: expect.any(String),
      status: 'queued',
    })
  })

  it('of a failed job has the fields of a failure', () => {
    const { data } = sampleEvent('job.completed', { status: 'failed', failure_reason: 'blocked' })
    expect(data).toMatchObject({ status: 'failed', failure_reason: 'blocked' })
    expect(data).not.toHaveProperty('artifact_count')
  })

  it('of an unknown type has the given data', () => {
    expect(sampleEvent('monitor.changed', { ratio: 0.5 })).toMatchObject({
      event_type: 'monitor.changed',
      data: { ratio: 0.5 },
    })
  })
})

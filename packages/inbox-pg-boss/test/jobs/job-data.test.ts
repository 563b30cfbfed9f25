import { describe, expect, it } from 'vitest'
import { jobIdOf } from '../../src/jobs/job-data.ts'

describe('the id of a job', () => {
  it('is a UUID derived from the name and the id of the event', () => {
    const id = jobIdOf({ name: 'a', eventId: 'b' })
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(jobIdOf({ name: 'a', eventId: 'b' })).toBe(id)
  })

  it('differs for names and ids that look alike', () => {
    const pairs = [
      ['a', 'b'],
      ['ab', ''],
      ['a', '/b'],
      ['a', '"b"'],
      ['a', '\ud800'],
      ['a', '\ud801'],
      ['a', '\ufffd'],
      ['a', 'b\u0000'],
    ] as const
    expect(new Set(pairs.map(([name, eventId]) => jobIdOf({ name, eventId }))).size).toBe(pairs.length)
  })
})

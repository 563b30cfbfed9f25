import { describe, expect, it } from 'vitest'
import { deduplicationId, eventKeyOf, newJobId } from '../../src/jobs/job-data.ts'

const keyOf = (eventId: string): string => deduplicationId({ name: 'scrapenest', eventId })

describe('the id of a job', () => {
  it('sorts in the order of storing, is unique, and has a form that BullMQ accepts', () => {
    const ids = Array.from({ length: 3000 }, (_, index) => newJobId(keyOf(`event ${index}: ß`)))
    expect(ids).toEqual([...ids].sort())
    expect(new Set(ids.map(() => newJobId('same'))).size).toBe(ids.length)
    for (const id of ids) expect(id).not.toMatch(/:|^[0-9]+$/)
  })

  it('contains the key of its event, even one with hyphens', () => {
    for (const key of ['evt_1-A', '0b6f', 'a-0b6f', keyOf('a:b')]) expect(eventKeyOf(newJobId(key))).toBe(key)
    expect(eventKeyOf('17')).toBeUndefined()
    expect(eventKeyOf('0:0')).toBeUndefined()
  })
})

describe('the key of an event', () => {
  it('is its id if that is plain, otherwise a hash', () => {
    expect(keyOf('evt_1-A')).toBe('evt_1-A')
    for (const eventId of ['a:b', 'a.b', 'a b', '', 'x'.repeat(65)]) {
      expect(keyOf(eventId)).toMatch(/^sha256\.[\w-]{43}$/)
    }
  })

  it('differs for ids that UTF-8 cannot tell apart', () => {
    expect(keyOf('\ud800')).not.toBe(keyOf('\ud801'))
    expect(keyOf('\ud800')).not.toBe(keyOf('\ufffd'))
  })

  it('differs for each scope', () => {
    const keys = ['', 'a', 'b'].map((scope) => deduplicationId({ name: 'scrapenest', scope, eventId: 'evt_1' }))
    expect(new Set(keys).size).toBe(3)
  })
})

import { describe, expect, it } from 'vitest'
import { type BullmqInboxOptions, bullmqInbox } from '../src/index.ts'
import { deduplicationId, jobIdForm, newJobId, toEvent, toJobData } from '../src/job-data.ts'
import { durabilityProblem } from '../src/redis-durability.ts'

const connection = 'redis://127.0.0.1:1'

describe('bullmqInbox', () => {
  it('connects to nothing before it is needed', async () => {
    const inbox = bullmqInbox({ connection })
    await inbox.close()
    expect(inbox.capabilities).toMatchObject({ isDurable: true, isShared: true, attempts: 'last' })
  })

  it.each([
    { options: {}, message: /Expected connection or queue/ },
    { options: undefined, message: /Expected connection or queue/ },
    { options: { connection: undefined }, message: /If the URL comes from the environment, it is not set there/ },
    { options: { connection, now: Date.now }, message: /Unknown option "now"/ },
    { options: { connection, pollIntervalMs: 5 }, message: /Unknown option "pollIntervalMs"/ },
    { options: { connection, conection: 1 }, message: /Unknown option "conection"/ },
    { options: { connection, queuePrefix: 'a:b' }, message: /Expected queuePrefix/ },
    { options: { connection, rememberMs: 10 }, message: /Expected rememberMs/ },
    { options: { connection, maxAttempts: 0 }, message: /Expected maxAttempts/ },
    { options: { queue: { name: 'mine' }, prefix: 'x' }, message: /not for a queue of your own/ },
  ])('refuses $options', ({ options, message }) => {
    expect(() => bullmqInbox(options as unknown as BullmqInboxOptions)).toThrow(message)
    expect(() => bullmqInbox(options as unknown as BullmqInboxOptions)).toThrow(
      expect.objectContaining({ code: 'configuration_invalid' }),
    )
  })

  it('rejects within a second where there is no Redis', async () => {
    await using inbox = bullmqInbox({ connection })
    const startedAtMs = performance.now()
    const event = toEvent('job.created', toJobData(newEvent(Buffer.from('{}'))))
    await expect(inbox.put(event)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(performance.now() - startedAtMs).toBeLessThan(1000)
  })
})

describe('the id of a job', () => {
  it('sorts as events were stored, is never the same twice, and has no form that BullMQ refuses', () => {
    const ids = Array.from({ length: 3000 }, (_, index) => newJobId(deduplicationId(`event ${index}: ß`)))
    expect(ids).toEqual([...ids].sort())
    expect(new Set(ids.map(() => newJobId('same'))).size).toBe(ids.length)
    for (const id of ids) {
      expect(id).toMatch(jobIdForm)
      expect(id).not.toContain(':')
    }
  })

  it('ends with the id of the event where that is plain, and with a hash of it where it is not', () => {
    expect(deduplicationId('evt_1-A')).toBe('evt_1-A')
    for (const eventId of ['a:b', 'a.b', 'a b', '', 'x'.repeat(65)]) {
      expect(deduplicationId(eventId)).toMatch(/^sha256\.[\w-]{43}$/)
    }
  })
})

describe('the data of a job', () => {
  it.each([
    ['text', Buffer.from('{"a":"ü☂"}')],
    ['text with a byte order mark', Buffer.from('\uFEFF{}')],
    ['bytes that are no text', Buffer.from([0xff, 0x00, 0xfe])],
    ['nothing', Buffer.alloc(0)],
    ['a view into a larger buffer', Buffer.from('xx{}xx').subarray(2, 4)],
  ])('gives back byte for byte: %s', (_what, body) => {
    const event = newEvent(body)
    const stored = JSON.parse(JSON.stringify(toJobData(event)))
    expect(toEvent(event.eventType, stored)).toEqual({ ...event, body: Buffer.from(body) })
  })
})

describe('what Redis says of itself', () => {
  it.each([
    { info: 'aof_enabled:1\r\nmaxmemory_policy:noeviction\r\n', told: undefined },
    { info: '', told: undefined },
    { info: 'aof_enabled:0\r\nmaxmemory_policy:noeviction\r\n', told: /appendonly is no/ },
    { info: 'aof_enabled:1\r\nmaxmemory_policy:volatile-lru\r\n', told: /maxmemory-policy is volatile-lru/ },
  ])('$info', ({ info, told }) => {
    const problem = durabilityProblem(info)
    if (told === undefined) expect(problem).toBeUndefined()
    else expect(problem?.message).toMatch(told)
  })
})

function newEvent(body: Buffer) {
  return {
    name: 'scrapenest',
    eventId: 'evt_1',
    eventType: 'job.created',
    messageId: 'msg_1',
    sentAt: new Date(1_700_000_000_000),
    receivedAt: new Date(1_700_000_000_123),
    signedHeaders: { 'svix-id': 'msg_1' },
    body,
    secretIndex: 0,
  }
}

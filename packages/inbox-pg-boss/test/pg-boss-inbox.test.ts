import { describe, expect, it } from 'vitest'
import { type PgBossInboxOptions, pgBossInbox } from '../src/index.ts'
import { jobIdOf, toEvent, toJobData } from '../src/job-data.ts'

const connectionString = 'postgres://nobody@127.0.0.1:1/nothing'

describe('pgBossInbox', () => {
  it('connects to nothing before it is needed', async () => {
    const inbox = pgBossInbox({ connectionString })
    await inbox.close()
    expect(inbox.capabilities).toMatchObject({ isDurable: true, isShared: true, attempts: 'last' })
  })

  it.each([
    { options: {}, message: /Expected connectionString or boss/ },
    { options: undefined, message: /Expected connectionString or boss/ },
    { options: { connectionString: '' }, message: /Expected connectionString or boss/ },
    {
      options: { connectionString: undefined },
      message: /If the string comes from the environment, it is not set there/,
    },
    { options: { connectionString, conection: 1 }, message: /Unknown option "conection"/ },
    { options: { connectionString, schema: 'a; DROP' }, message: /Expected schema to be a plain name/ },
    { options: { connectionString, queuePrefix: 'a/b' }, message: /Expected queuePrefix/ },
    { options: { connectionString, maxAttempts: 0 }, message: /Expected maxAttempts/ },
  ])('refuses $options', ({ options, message }) => {
    expect(() => pgBossInbox(options as unknown as PgBossInboxOptions)).toThrow(message)
    expect(() => pgBossInbox(options as unknown as PgBossInboxOptions)).toThrow(
      expect.objectContaining({ code: 'configuration_invalid' }),
    )
  })

  it('rejects within a second where there is no PostgreSQL', async () => {
    await using inbox = pgBossInbox({ connectionString })
    const startedAtMs = performance.now()
    await expect(inbox.put(newEvent(Buffer.from('{}')))).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(performance.now() - startedAtMs).toBeLessThan(1000)
  })
})

describe('the id of a job', () => {
  it('is a UUID that follows from the name and the id of the event', () => {
    const id = jobIdOf({ name: 'a', eventId: 'b' })
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(jobIdOf({ name: 'a', eventId: 'b' })).toBe(id)
  })

  it('tells apart what looks alike', () => {
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

describe('the data of a job', () => {
  it.each([
    ['text', Buffer.from('{"a":"ü☂"}')],
    ['text with a byte order mark', Buffer.from('\uFEFF{}')],
    ['bytes that are no text', Buffer.from([0xff, 0x00, 0xfe])],
    ['a zero byte, which jsonb refuses', Buffer.from('{"a":"\u0000"}')],
    ['nothing', Buffer.alloc(0)],
  ])('gives back byte for byte: %s', (_what, body) => {
    const event = newEvent(body)
    const text = JSON.stringify(toJobData(event))
    expect(text).not.toContain('\\u0000')
    expect(toEvent(JSON.parse(text))).toEqual({ ...event, body: Buffer.from(body) })
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

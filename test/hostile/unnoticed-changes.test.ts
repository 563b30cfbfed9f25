import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  createReceiver,
  type DeliveryOutcome,
  isWebhookError,
  memoryDuplicates,
  type Receiver,
  RetryLaterError,
  sign,
  verify,
  type WebhookHeaders,
} from '@scrapenest-webhooks/core'
import { scrapenestWebhooks } from '@scrapenest-webhooks/core/fetch'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'

/** Changes to core that mutation testing made and no other test detected. */

const secret = generateSecret()
const body = '{}'
const seconds = Math.floor(Date.now() / 1000)
const headers = { ...sign({ id: 'msg_1', timestamp: seconds, body }, secret) }

function messageOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (isWebhookError(error)) return error.message
    throw error
  }
  return 'nothing was thrown'
}

async function receive(receiver: Receiver, payload: object): Promise<number> {
  const { body: bytes, ...delivery } = signDelivery(payload, { secret })
  return (await receiver.receive({ ...delivery, body: async () => bytes })).status
}

describe('headers', () => {
  const good = Object.entries(headers)

  it.each<[string, unknown]>([
    ['null', null],
    ['a number', 7],
    ['a pair whose name is an object as long as a name', [{ length: 'svix-id'.length }, 'msg_2']],
    ['a pair whose name is a list', [['svix-id'], 'msg_2']],
    ['a pair without value', ['svix-id', undefined]],
    ['a pair of null', ['svix-id', null]],
  ])('are read past %s', (_what, odd) => {
    expect(verify({ headers: [odd, ...good] as unknown as WebhookHeaders, body }, secret).messageId).toBe('msg_1')
  })

  it('that hold only the ids of both families are missing svix-timestamp', () => {
    const message = messageOf(() => verify({ headers: { 'svix-id': 'a', 'webhook-id': 'a' }, body }, secret))
    expect(message).toContain('Header: svix-timestamp.')
  })

  it('may hold any number of spaces between signatures', () => {
    const spaced = { ...headers, 'svix-signature': `${' '.repeat(40)}${headers['svix-signature']}` }
    expect(verify({ headers: spaced, body }, secret).messageId).toBe('msg_1')
  })

  it('without a supported signature are refused with the scheme that is supported', () => {
    const message = { headers: { ...headers, 'svix-signature': 'v2,x v1a,x' }, body }
    expect(messageOf(() => verify(message, secret))).toBe(
      'Only v1 (HMAC-SHA256) signatures are supported, and none is present.',
    )
  })
})

describe('a body that is not bytes', () => {
  it.each([null, undefined, {}])('is refused with what to pass instead: %o', (value) => {
    expect(messageOf(() => verify({ headers, body: value as never }, secret))).toBe(
      'The raw body is no longer available. Pass the bytes as they were received, before any parser.',
    )
  })
})

describe('a secret', () => {
  const key = 'A'.repeat(31)

  it.each([
    [`!${key}`, 'is not base64'],
    [`${key}!`, 'is not base64'],
    [`AAAA"${key}`, 'is not base64'],
    [`AAAAv1,${key}`, 'is not base64'],
    [`AAAAwhsk_${key}`, 'no "-" and no "_"'],
    [`AAAAwhpk_${key}`, 'no "-" and no "_"'],
    [`AAAAwhsec_whsec_${key}`, 'has something before whsec_'],
    [`${key}whsec_`, 'has something before whsec_'],
  ])('is refused with the actual mistake: %s', (wrong, expected) => {
    expect(messageOf(() => verify({ headers, body }, wrong))).toContain(expected)
  })

  it('is unset when the list is empty', () => {
    expect(messageOf(() => verify({ headers, body }, []))).toContain('No signing secret.')
  })

  it('is one of at most eight', () => {
    const nine = Array.from({ length: 9 }, () => generateSecret())
    expect(messageOf(() => verify({ headers, body }, nine))).toContain(
      'Expected the number of secrets to be a whole number from 1 to 8',
    )
  })
})

it('the fetch handler answers other paths in JSON too', async () => {
  const webhooks = scrapenestWebhooks({ secret, path: '/webhooks/scrapenest' })
  const response = await webhooks(new Request('http://localhost/other', { method: 'POST' }))
  expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8')
  expect([response.status, await response.text()]).toEqual([404, '{"error":"not_found"}'])
})

describe('handlers', () => {
  it("of 'job.*' do not get 'jobs', which has the same first letters and no family", async () => {
    const seen: string[] = []
    const receiver = createReceiver<Record<string, unknown>>({
      secret,
      eventTypes: ['jobs', 'job.x'],
      onEvent: { 'job.*': (event: { event_type: string }) => seen.push(event.event_type) } as never,
    })
    await receive(receiver as never, { event_type: 'jobs', event_id: '1' })
    await receive(receiver as never, { event_type: 'job.x', event_id: '2' })
    expect(seen).toEqual(['job.x'])
  })

  it('that fail together are one AggregateError, and the first of two equal delays is reported', async () => {
    const outcomes: DeliveryOutcome[] = []
    const thrown = [new Error('1'), new Error('2'), new RetryLaterError('first'), new RetryLaterError('second')]
    const receiver = createReceiver({
      secret,
      logger: { warn() {}, error() {} },
      onDelivery: (outcome) => void outcomes.push(outcome),
    })
    let at = 0
    for (let index = 0; index < 2; index += 1) {
      receiver.onEvent('*', () => {
        throw thrown[at++]
      })
    }
    for (let index = 0; index < 2; index += 1) await receive(receiver, createEvent('job.created'))
    expect(outcomes[0]?.error?.cause).toMatchObject({ message: 'Several handlers failed.', errors: thrown.slice(0, 2) })
    expect(outcomes[1]?.error).toBe(thrown[2])
  })

  it('of unknown events may be absent without a warning', async () => {
    const lines: string[] = []
    const log = (_fields: object, message: string): void => void lines.push(message)
    const receiver = createReceiver({ secret, logger: { warn: log, error: log } })
    expect(await receive(receiver, { event_type: 'unknown', event_id: '1' })).toBe(202)
    expect(lines).toEqual([])
  })
})

describe('the store in memory', () => {
  it('ignores the release of an event that was not claimed', () => {
    expect(() => memoryDuplicates().release('unclaimed', '1')).not.toThrow()
  })

  it('evicts claims whose lease has ended', async () => {
    let nowMs = 0
    const store = memoryDuplicates({ maxEvents: 2000, now: () => nowMs })
    const grown = await heapGrowth(async () => {
      for (let index = 0; index < 60_000; index += 1) {
        nowMs += 10
        await store.claim(`scrapenest/an-event-that-never-ends-${index}`, { expiresInMs: 10 })
      }
    })
    expect(grown).toBeLessThan(2)
    expect(store).toBeDefined()
  })

  it('evicts events that are older than rememberSeconds', async () => {
    let nowMs = 0
    const store = memoryDuplicates({ rememberSeconds: 1, maxEvents: 1_000_000, now: () => nowMs })
    async function handle(key: string): Promise<void> {
      const claim = await store.claim(key, { expiresInMs: 10 })
      if (claim.state === 'claimed') await store.complete(key, claim.token)
    }
    const grown = await heapGrowth(async () => {
      for (let index = 0; index < 60_000; index += 1) await handle(`scrapenest/an-event-of-long-ago-${index}`)
      for (let index = 0; index < 3; index += 1) {
        // At exactly this age they are forgotten.
        nowMs += 1000
        await handle(`scrapenest/later-${index}`)
      }
    })
    expect(grown).toBeLessThan(2)
    expect(store).toBeDefined()
  })
})

/** In MiB, after a garbage collection. */
async function heapGrowth(work: () => Promise<void>): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  collect()
  const before = process.memoryUsage().heapUsed
  await work()
  collect()
  return (process.memoryUsage().heapUsed - before) / 1024 / 1024
}

import { createHmac, createSecretKey, timingSafeEqual, webcrypto } from 'node:crypto'
import { Webhooks } from '@octokit/webhooks'
import { sign, verify, verifyEvent } from '@scrapenest-webhooks/core'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import Stripe from 'stripe'
import { Webhook as SvixWebhook } from 'svix'
import { Bench } from 'tinybench'
import { eventOfSize } from './events.ts'
import { type Figure, type Mode, type Section, type Target, timesCheaper, timesDearer } from './report.ts'
import { type Contender, interleave, medianFor } from './rounds.ts'

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const sizes = [
  { bytes: 400, scenario: '400 B', batch: 200, svixAtLeast: 3 },
  { bytes: 4096, scenario: '4 KiB', batch: 100, svixAtLeast: 5 },
  { bytes: 65_536, scenario: '64 KiB', batch: 10, svixAtLeast: 8 },
  { bytes: 1_048_576, scenario: '1 MiB', batch: 1, svixAtLeast: 8 },
] as const
const floorAtMost = 1.25

const floor = 'floor: HMAC, compare'
const parsingFloor = 'floor: HMAC, compare, JSON.parse'

/** The minimum time of a round in milliseconds, and its minimum number of batches, which decides for large bodies. */
const effort = { short: { time: 50, iterations: 10 }, full: { time: 300, iterations: 64 } } as const

export const verifySection: Section = {
  name: 'verify',
  async run(mode) {
    const figures: Figure[] = []
    const targets: Target[] = []
    for (const size of sizes) {
      const rounds = mode === 'full' ? 9 : 3
      const contenders = contendersFor(size, mode)
      figures.push(
        ...(await interleave(contenders, { rounds, section: 'verify', scenario: size.scenario, unit: 'µs' })),
      )
      targets.push(...targetsFor(size, figures))
    }
    return { figures, targets }
  },
}

function targetsFor({ scenario, svixAtLeast }: (typeof sizes)[number], figures: readonly Figure[]): Target[] {
  const time = (contender: string): number => medianFor(figures, scenario, contender)
  return [
    timesCheaper({
      what: `${scenario}: svix / verify`,
      ours: time('ours: verify'),
      theirs: time('svix'),
      unit: 'µs',
      atLeast: svixAtLeast,
    }),
    timesDearer({
      what: `${scenario}: verify / ${floor}`,
      ours: time('ours: verify'),
      theirs: time(floor),
      unit: 'µs',
      atMost: floorAtMost,
    }),
    timesDearer({
      what: `${scenario}: verifyEvent / ${parsingFloor}`,
      ours: time('ours: verifyEvent (parses)'),
      theirs: time(parsingFloor),
      unit: 'µs',
      atMost: floorAtMost,
    }),
  ]
}

/**
 * Every contender checks the same bytes with a key of the same length. Objects that an application creates once are created
 * once.
 */
function contendersFor({ bytes, batch }: (typeof sizes)[number], mode: Mode): Contender[] {
  const text = eventOfSize(bytes)
  const body = Buffer.from(text)
  const id = 'msg_2vZQ1nq0gTzvGQfVJ4kU0l5Xw3s'
  const headers: Record<string, string> = {
    host: '127.0.0.1:3000',
    'content-type': 'application/json',
    'content-length': String(body.byteLength),
    'user-agent': 'Svix-Webhooks/1.90',
    accept: '*/*',
    ...sign({ id, timestamp: new Date(), body }, secret),
  }
  const webhookHeaders = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.replace('svix-', 'webhook-'), value]),
  )

  const key = createSecretKey(Buffer.from(secret.slice(6), 'base64'))
  const expected = Buffer.from((headers['svix-signature'] as string).slice(3), 'base64')
  const prefix = `${id}.${headers['svix-timestamp']}.`

  const svix = new SvixWebhook(secret)
  const standard = new StandardWebhook(secret)
  const stripe = new Stripe('sk_test_unused')
  const stripeHeader = stripe.webhooks.generateTestHeaderString({ payload: text, secret })
  const octokit = new Webhooks({ secret })
  const octokitSignature = `sha256=${createHmac('sha256', secret).update(text).digest('hex')}`
  const subtleKey = webcrypto.subtle.importKey(
    'raw',
    Buffer.from(secret.slice(6), 'base64'),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  )
  const signedContent = Buffer.concat([Buffer.from(prefix), body])

  const message = { headers, body }
  const compareBare = (): boolean =>
    timingSafeEqual(createHmac('sha256', key).update(prefix).update(body).digest(), expected)
  const all: [string, () => unknown][] = [
    [floor, compareBare],
    [parsingFloor, () => compareBare() && JSON.parse(body.toString('utf8'))],
    ['ours: verify', () => verify(message, secret)],
    ['ours: verifyEvent (parses)', () => verifyEvent(message, secret)],
    ['svix', () => svix.verify(body, headers)],
    ['standardwebhooks (parses)', () => standard.verify(body, webhookHeaders)],
    ['stripe constructEvent (parses)', () => stripe.webhooks.constructEvent(body, stripeHeader, secret)],
    ['@octokit/webhooks verify', () => octokit.verify(text, octokitSignature)],
    [
      'WebCrypto, key cached',
      async () =>
        timingSafeEqual(Buffer.from(await webcrypto.subtle.sign('HMAC', await subtleKey, signedContent)), expected),
    ],
  ]
  return all.map(([name, check]) => contender(name, check, batch, mode))
}

/** Checks in batches, so reading the clock does not distort the result. */
function contender(name: string, check: () => unknown, batch: number, mode: Mode): Contender {
  const isAsync = check() instanceof Promise
  const run = isAsync
    ? async () => {
        for (let index = 0; index < batch; index += 1) await check()
      }
    : () => {
        for (let index = 0; index < batch; index += 1) check()
      }
  return {
    name,
    async round() {
      const bench = new Bench({ ...effort[mode], warmup: false, throws: true })
      bench.add(name, run)
      await bench.run()
      const result = bench.tasks[0]?.result
      if (result === undefined || !('latency' in result)) throw new Error(`${name} was not measured.`)
      return (result.latency.p50 * 1000) / batch
    },
  }
}

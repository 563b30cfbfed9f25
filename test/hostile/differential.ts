import { sign, verify, type WebhookErrorCode } from '@scrapenest-webhooks/core'
import { codeOf } from '@scrapenest-webhooks/core/adapter'
import { generateSecret } from '@scrapenest-webhooks/testing'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { type Budget, type Family, Tally } from './family.ts'
import { type DeliveryCase, intendedDifferences, type Outcome, type Peer } from './intended-differences.ts'
import { Random } from './random.ts'

const caseCount: Readonly<Record<Budget, number>> = { short: 10_000, full: 400_000 }

/**
 * Ours beside two implementations that share no code with it, on deliveries that are good, damaged and odd. Where they
 * disagree, the disagreement must be one that we decided on.
 */
export const run: Family = async ({ budget, seed }) => {
  const tally = new Tally('differential')
  const random = new Random(seed)
  const seen = new Map<string, number>()
  for (const { name, ours, examples } of intendedDifferences) {
    for (const example of examples()) {
      const explained = explanationsOf(example)
      const isShown = explained.names.has(name) && explained.ours === ours
      tally.check(isShown, () => `${name}: its own example does not show it (${explained.summary})`)
    }
  }
  for (let index = 0; index < caseCount[budget]; index += 1) {
    const made = makeCase(random)
    const explained = explanationsOf(made)
    for (const name of explained.names) seen.set(name, (seen.get(name) ?? 0) + 1)
    tally.check(explained.unexplained.length === 0, () => `${explained.unexplained.join('; ')}: ${describe(made)}`)
  }
  for (const { name } of intendedDifferences) tally.remark(`${String(seen.get(name) ?? 0).padStart(7)} × ${name}`)
  return tally.result
}

const peers: Readonly<Record<Peer, (made: DeliveryCase) => unknown>> = {
  standardwebhooks: ({ secret, headers, body }) =>
    new StandardWebhook(secret as string).verify(body as string, headers as Record<string, string>),
  svix: ({ secret, headers, body }) =>
    new SvixWebhook(secret as string).verify(body as string, headers as Record<string, string>),
}

/** What every implementation made of one delivery, and which intended difference covers each disagreement. */
export function explanationsOf(made: DeliveryCase): {
  readonly ours: string
  readonly names: ReadonlySet<string>
  readonly unexplained: readonly string[]
  readonly summary: string
} {
  const ours = outcomeOf(() =>
    verify({ headers: made.headers as never, body: made.body as never }, made.secret as never),
  )
  const names = new Set<string>()
  const unexplained: string[] = []
  const outcomes: string[] = [`ours ${ours}`]
  for (const peer of Object.keys(peers) as Peer[]) {
    const theirs: Outcome = outcomeOf(() => peers[peer](made)) === 'accepted' ? 'accepted' : 'refused'
    outcomes.push(`${peer} ${theirs}`)
    if ((ours === 'accepted') === (theirs === 'accepted')) continue
    const covering = intendedDifferences.filter(
      (difference) => (difference.ours === 'accepted') === (ours === 'accepted') && difference.covers(made, peer),
    )
    for (const { name } of covering) names.add(name)
    if (covering.length === 0) unexplained.push(`ours ${ours}, ${peer} ${theirs}`)
  }
  return { ours, names, unexplained, summary: outcomes.join(', ') }
}

function outcomeOf(work: () => unknown): WebhookErrorCode | 'accepted' | 'another error' {
  try {
    work()
    return 'accepted'
  } catch (error) {
    return codeOf(error) ?? 'another error'
  }
}

const secret = generateSecret()
const texts = [
  '',
  '{}',
  '{"a":1}',
  '{"emoji":"🔑"}',
  'null',
  'not JSON',
  '\ufeff{"a":1}',
  '"\ufffd"',
  '{"p":"$& $$ $1"}',
]

function makeCase(random: Random): DeliveryCase {
  const body = random.chance(0.15) ? random.bytes(random.below(40)) : Buffer.from(random.pick(texts))
  const timestamp =
    Math.floor(Date.now() / 1000) + (random.chance(0.9) ? random.below(400) - 200 : random.below(900) - 450)
  const id = random.chance(0.85)
    ? `msg_${random.below(1000)}`
    : random.pick(['a.b', 'a,b', 'é', ' ', 'x'.repeat(257), 'a b', '\ud83d\udd11'])
  const headers: Record<string, unknown> = { ...signedAs(random, id, timestamp, body) }
  const made: DeliveryCase = { secret, headers, body: shapeOf(random, body) }
  return damaged(made, random)
}

function signedAs(random: Random, id: string, timestamp: number, body: Buffer): object {
  const svix = sign({ id, timestamp, body }, secret)
  const webhook = Object.fromEntries(
    Object.entries(svix).map(([name, value]) => [name.replace('svix', 'webhook'), value]),
  )
  if (random.chance(0.6)) return { ...svix, ...webhook }
  return random.chance(0.5) ? svix : webhook
}

function shapeOf(random: Random, body: Buffer): unknown {
  if (random.chance(0.2)) return body.toString()
  if (random.chance(0.1)) return new Uint8Array(body)
  return random.chance(0.03) ? random.pick([null, undefined, {}, { constructor: { name: 'Buffer' } }, []]) : body
}

type Damage = (made: DeliveryCase, random: Random, name: string, value: string) => DeliveryCase

function damaged(made: DeliveryCase, random: Random): DeliveryCase {
  let result = made
  while (random.chance(0.5)) {
    // A Map has no names to damage any more.
    if (result.headers instanceof Map) return result
    const names = Object.keys(result.headers)
    const name = random.pick(names)
    const value = (result.headers as Record<string, unknown>)[name]
    result = random.pick(damages)(result, random, name, typeof value === 'string' ? value : '')
  }
  return result
}

function withHeader(made: DeliveryCase, name: string, value: unknown): DeliveryCase {
  return { ...made, headers: { ...made.headers, [name]: value } }
}

const damages: readonly Damage[] = [
  (made, random, name, value) =>
    withHeader(made, name, value + random.pick([' ', ',', ',junk', 'x', ', 1', '.0', '\t', '=', '\u00e9'])),
  (made, random, name, value) =>
    withHeader(made, name, random.pick([' ', '+', '0', '-', 'v1,AAAA ', 'v2,', 'v1a,x ', ' ']) + value),
  (made, _random, name, value) => withHeader(made, name, [value]),
  (made, _random, name, value) => withHeader(made, name, [value, value]),
  (made, random, name) =>
    withHeader(made, name, random.pick(['', undefined, null, 7, 'v1,', 'v1', 'v1,=', 'NaN', '1e9'])),
  (made, _random, name, value) => withHeader(made, name, /^\d+$/.test(value) ? Number(value) : value),
  (made, random, name, value) => withHeader(made, name.toUpperCase(), random.chance(0.5) ? value : `${value}x`),
  (made, _random, name) => {
    const { [name]: _, ...headers } = made.headers as Record<string, unknown>
    return Object.keys(headers).length === 0 ? made : { ...made, headers }
  },
  (made, random, name, value) => {
    if (!name.toLowerCase().endsWith('-signature')) return made
    const tokens = Array.from({ length: random.below(24) }, () => `v1,${'A'.repeat(43)}=`)
    return withHeader(made, name, [...tokens, value].join(' '))
  },
  (made, random, name, value) => {
    const at = random.below(value.length)
    return withHeader(made, name, value.slice(0, at) + String.fromCharCode(33 + random.below(94)) + value.slice(at + 1))
  },
  (made, random) => ({ ...made, body: Buffer.concat([Buffer.from('x'), random.bytes(2)]) }),
  (made, random) => {
    const bad = [
      '',
      'whsec_',
      `${secret}\n`,
      `${secret}X`,
      ` ${secret}`,
      'AA==',
      secret.slice(6),
      `whsec_${secret}`,
      generateSecret(),
      [secret],
      [generateSecret(), secret],
    ]
    return { ...made, secret: random.pick(bad) }
  },
  (made) => ({ ...made, headers: new Map(Object.entries(made.headers as object)) }),
]

function describe({ secret, headers, body }: DeliveryCase): string {
  const pairs = headers instanceof Map ? [...headers] : Object.entries(headers as object)
  const shown = ArrayBuffer.isView(body) ? Buffer.from(body as Uint8Array).toString('hex') : JSON.stringify(body)
  return `${JSON.stringify(secret)} ${JSON.stringify(pairs)} ${shown}`
}

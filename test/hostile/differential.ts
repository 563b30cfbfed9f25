import { sign, verify } from '@scrapenest-webhooks/core'
import { codeOf } from '@scrapenest-webhooks/core/adapter'
import { generateSecret } from '@scrapenest-webhooks/testing'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { type Budget, type Family, Tally } from './family.ts'
import { Random } from './random.ts'

const caseCount: Readonly<Record<Budget, number>> = { short: 10_000, full: 400_000 }

/**
 * Compares our verification of genuine and damaged deliveries with that of two independent implementations, in the format that
 * all three support. test/interop/differences.test.ts lists the intended differences.
 */
export const run: Family = async ({ budget, seed }) => {
  const tally = new Tally('differential')
  const random = new Random(seed)
  let accepted = 0
  for (let index = 0; index < caseCount[budget]; index += 1) {
    const made = makeDelivery(random)
    const outcomes = outcomesOf(made)
    if (outcomes.ours === 'accepted') accepted += 1
    const acceptances = new Set(Object.values(outcomes).map((outcome) => outcome === 'accepted'))
    const isAgreed = acceptances.size === 1 && outcomes.ours !== 'another error'
    tally.check(isAgreed, () => `${JSON.stringify(outcomes)}: ${JSON.stringify(made)}`)
  }
  const isMixed = accepted > 0 && accepted < caseCount[budget]
  tally.check(isMixed, () => `${accepted} deliveries were accepted`)
  tally.remark(`${accepted} deliveries were accepted by all three, the others by none`)
  return tally.result
}

interface Delivery {
  readonly secret: string
  /** Headers without the prefix of their family: `id`, `timestamp`, `signature`. */
  readonly parts: Readonly<Record<string, string>>
  readonly body: string
}

function outcomesOf({ secret, parts, body }: Delivery): Record<'ours' | 'svix' | 'standardwebhooks', string> {
  const headersOf = (family: string): Record<string, string> =>
    Object.fromEntries(Object.entries(parts).map(([part, value]) => [`${family}-${part}`, value]))
  const [svix, webhook] = [headersOf('svix'), headersOf('webhook')]
  const bytes = Buffer.from(body)
  return {
    ours: outcomeOf(() => verify({ headers: { ...svix, ...webhook }, body: bytes }, secret)),
    svix: outcomeOf(() => new SvixWebhook(secret).verify(bytes, svix)),
    standardwebhooks: outcomeOf(() => new StandardWebhook(secret).verify(bytes, webhook)),
  }
}

function outcomeOf(work: () => unknown): string {
  try {
    work()
    return 'accepted'
  } catch (error) {
    return codeOf(error) ?? 'another error'
  }
}

const secret = generateSecret()
const otherSecret = generateSecret()
const bodies = ['{}', '{"a":1}', '{"emoji":"🔑"}', 'null', '"\ufffd"', '{"p":"$& $$ $1"}', ' [1.0, 1e3]\r\n']
const base64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

function makeDelivery(random: Random): Delivery {
  const body = random.pick(bodies)
  const id = `msg_${random.below(1000)}`
  // Not close to 300 s, where the implementations could disagree because a second passed between them.
  const timestamp = Math.floor(Date.now() / 1000) + random.pick([0, 0, 0, -290, 290, -310, 310])
  const signature = sign({ id, timestamp, body }, secret)['svix-signature']
  let made: Delivery = { secret, parts: { id, timestamp: String(timestamp), signature }, body }
  while (random.chance(0.4)) made = random.pick(changes)(made, random)
  return made
}

function withPart(made: Delivery, part: string, value: string): Delivery {
  return { ...made, parts: { ...made.parts, [part]: value } }
}

/** Some changes damage the delivery, others leave it genuine. */
const changes: readonly ((made: Delivery, random: Random) => Delivery)[] = [
  (made, random) => withPart(made, 'id', `msg_${random.below(1000)}`),
  (made, random) => withPart(made, 'timestamp', String(Number(made.parts['timestamp']) + random.below(3) - 1)),
  (made, random) => withPart(made, random.pick(['id', 'timestamp', 'signature']), ''),
  (made, random) => ({ ...made, body: random.pick(bodies) }),
  (made) => ({ ...made, body: `${made.body} ` }),
  (made, random) => ({ ...made, secret: random.pick([otherSecret, secret.slice('whsec_'.length)]) }),
  (made, random) => {
    const signature = made.parts['signature'] as string
    const at = 3 + random.below(43)
    return withPart(made, 'signature', signature.slice(0, at) + random.pick([...base64]) + signature.slice(at + 1))
  },
  (made, random) => {
    const others = Array.from({ length: random.below(4) }, () =>
      random.pick(['v2,x', 'v1a,x', `v1,${'A'.repeat(43)}=`]),
    )
    return withPart(made, 'signature', [...others, made.parts['signature']].join(' '))
  },
]

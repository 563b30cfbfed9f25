import { isWebhookError, verify } from '@scrapenest-webhooks/core'
import { generateSecret } from '@scrapenest-webhooks/testing'
import { comparisonsOfSecretBytes, coreSources } from './comparison-gate.ts'
import { type Budget, type Family, Tally } from './family.ts'
import { Random } from './random.ts'

const headerCount: Readonly<Record<Budget, number>> = { short: 20_000, full: 2_000_000 }

/** Comparisons whose time depends on the bytes. Each is put in the place of the one whose time does not. */
export const leaks: readonly string[] = [
  '$1.equals($2)',
  '$1.compare($2) === 0',
  'Buffer.compare($1, $2) === 0',
  'Buffer.from($1).equals($2)',
  "$1.toString('hex') === $2.toString('hex')",
  "$1.toString('base64').localeCompare($2.toString('base64')) === 0",
  '$1.every((byte, index) => byte === $2[index])',
  '$1.includes($2)',
  '$1.indexOf($2) === 0',
  "new Set([$2.toString('hex')]).has($1.toString('hex'))",
  '$2[0] === $1[0] && timingSafeEqual($1, $2)',
  "$2.toString('latin1').startsWith($1.toString('latin1'))",
  'isDeepStrictEqual($1, $2)',
  'isDeepStrictEqual({ digest: $1 }, { digest: $2 })',
]

/**
 * Only `timingSafeEqual` compares anything that depends on a secret, and every malformed signature ends in one of our
 * errors. The time is measured too, for docs/constant-time.md, but no test depends on it.
 */
export const run: Family = async ({ budget, seed }) => {
  const tally = new Tally('constant time')
  const sources = coreSources()
  const found = comparisonsOfSecretBytes(sources)
  tally.check(found.length === 0, () => found.join('; '))
  for (const { leak, mutated } of leakingSources(sources)) {
    tally.check(comparisonsOfSecretBytes(mutated).length > 0, () => `the gate does not notice ${leak}`)
  }
  const random = new Random(seed)
  const secret = generateSecret()
  const now = { now: () => 0 }
  for (let index = 0; index < headerCount[budget]; index += 1) {
    const signature = malformedSignature(random)
    const headers = { 'svix-id': 'msg_1', 'svix-timestamp': '0', 'svix-signature': signature }
    const problem = refusalProblem(() => verify({ headers, body: 'x' }, secret, now))
    tally.check(problem === undefined, () => `${problem}: ${JSON.stringify(signature)}`)
  }
  tally.remark(`${sources.size} files of core; ${leaks.length} leaks were put in and noticed`)
  return tally.result
}

export function leakingSources(
  sources: ReadonlyMap<string, string>,
): { readonly leak: string; readonly mutated: Map<string, string> }[] {
  const call = /timingSafeEqual\((\w+), (\w+)\)/g
  return leaks.map((leak) => {
    const mutated = new Map([...sources].map(([name, text]) => [name, text.replace(call, leak)]))
    return { leak, mutated }
  })
}

function refusalProblem(work: () => unknown): string | undefined {
  try {
    work()
    return 'accepted'
  } catch (error) {
    const expected = ['no_supported_signature', 'signature_mismatch', 'missing_header']
    return isWebhookError(error) && expected.includes(error.code) ? undefined : `another error (${String(error)})`
  }
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/='

function malformedSignature(random: Random): string {
  const tokens = Array.from({ length: 1 + random.below(3) }, () => {
    const length = random.chance(0.5) ? 44 : random.below(60)
    const characters = Array.from({ length }, () =>
      random.chance(0.97) ? (alphabet[random.below(65)] as string) : String.fromCharCode(random.below(0x300)),
    )
    if (length === 44 && random.chance(0.6)) characters[43] = '='
    return random.pick(['v1,', 'v1,', 'v1,', 'v1a,', 'V1,', 'v1', '', 'v2,', ',']) + characters.join('')
  })
  return tokens.join(random.pick([' ', ' ', ', ', ',', '  ']))
}

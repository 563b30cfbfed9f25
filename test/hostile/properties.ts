import { createReceiver, isWebhookError, sign, verify, type WebhookRequest } from '@scrapenest-webhooks/core'
import fc from 'fast-check'
import { type Budget, type Family, Tally } from './family.ts'
import { deliveryScenario, tryScenario } from './handling-model.ts'
import { malformedSignature, messageId, oddHeaders, oddValue, type Recipe, secret, signedMessage } from './made-up.ts'
import { countingStrays, quiet } from './quiet.ts'
import { outsideTable } from './reply-table.ts'

/** Properties that are true for every input. fast-check generates inputs and shrinks a failing one. */
export const run: Family = async ({ budget, seed }) => {
  const tally = new Tally('properties')
  const { strays } = await countingStrays(async () => {
    for (const { name, runs, property } of properties) {
      const details = await fc.check(property as fc.IAsyncProperty<[unknown]>, { numRuns: runs[budget], seed })
      tally.count(details.numRuns)
      if (!details.failed) continue
      tally.fail(
        `${name} (seed ${seed}, path ${details.counterexamplePath}): ${fc.stringify(details.counterexample)}\n` +
          `    ${String(details.errorInstance)}`,
      )
    }
  })
  for (const stray of strays) tally.fail(stray)
  tally.remark(`seed ${seed}, ${properties.length} properties`)
  return tally.result
}

interface Property {
  readonly name: string
  readonly runs: Readonly<Record<Budget, number>>
  readonly property: unknown
}

/** Keeps the timestamp from being the reason that a changed message is refused. */
const anyTime = { toleranceSeconds: Number.MAX_SAFE_INTEGER, now: () => 0 }

const fixedSecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

/** Valid headers, so that the receiver reads the body. */
const freshHeaders: fc.Arbitrary<Recipe> = fc.constant(() =>
  sign({ id: 'msg_1', timestamp: Math.floor(Date.now() / 1000), body: '{}' }, fixedSecret),
)

const properties: readonly Property[] = [
  {
    name: 'verify accepts what sign signed, and returns it',
    runs: { short: 500, full: 20_000 },
    property: fc.asyncProperty(signedMessage, async ({ id, timestamp, body, secret }) => {
      const headers = sign({ id, timestamp, body }, secret)
      const now = { now: () => timestamp * 1000 }
      for (const family of [headers, renamed(headers), new Headers({ ...headers }), Object.entries(headers)]) {
        const message = verify({ headers: family as Record<string, string>, body }, secret, now)
        insist(message.messageId === id, 'another id')
        insist(message.sentAt.getTime() === timestamp * 1000, 'another time')
        insist(Buffer.compare(message.body, body) === 0, 'another body')
        insist(message.secretIndex === 0, 'another secret')
      }
    }),
  },
  {
    name: 'a message with any single bit flipped is refused: in body, id, timestamp, key or signature',
    runs: { short: 20, full: 600 },
    property: fc.asyncProperty(signedMessage, async ({ id, timestamp, body: whole, secret }) => {
      const body = whole.subarray(0, 24)
      const headers = sign({ id, timestamp, body }, secret)
      for (const flipped of bitsFlipped(Buffer.from(body))) expectRefused({ headers, body: flipped }, secret)
      for (const name of ['svix-id', 'svix-timestamp', 'svix-signature'] as const) {
        for (const flipped of bitsFlipped(Buffer.from(headers[name], 'latin1'))) {
          expectRefused({ headers: { ...headers, [name]: flipped.toString('latin1') }, body }, secret)
        }
      }
      const mac = Buffer.from(headers['svix-signature'].slice(3), 'base64')
      for (const flipped of bitsFlipped(mac)) {
        const signature = `v1,${flipped.toString('base64')}`
        expectRefused({ headers: { ...headers, 'svix-signature': signature }, body }, secret)
      }
      const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
      for (const flipped of bitsFlipped(key)) expectRefused({ headers, body }, `whsec_${flipped.toString('base64')}`)
    }),
  },
  {
    name: 'a message that is truncated, extended, or signed for another id or time is refused',
    runs: { short: 200, full: 10_000 },
    property: fc.asyncProperty(
      signedMessage,
      fc.uint8Array({ minLength: 1, maxLength: 8 }),
      messageId,
      async ({ id, timestamp, body, secret }, more, otherId) => {
        const headers = sign({ id, timestamp, body }, secret)
        expectRefused({ headers, body: Buffer.concat([body, more]) }, secret)
        if (body.byteLength > 0) expectRefused({ headers, body: body.subarray(1) }, secret)
        if (otherId !== id) expectRefused({ headers: { ...headers, 'svix-id': otherId }, body }, secret)
        expectRefused({ headers: { ...headers, 'svix-timestamp': String(timestamp + 1) }, body }, secret)
      },
    ),
  },
  {
    name: 'verify throws only our errors, whatever the headers, body and secret',
    runs: { short: 2000, full: 100_000 },
    property: fc.asyncProperty(
      fc.oneof(oddHeaders, oddValue),
      oddValue,
      fc.oneof(secret, fc.anything(), fc.string(), fc.array(fc.oneof(secret, fc.anything()))),
      async (headers, body, secrets) => {
        const message = { headers: headers(), body: body() }
        expectOursOrNothing(() => verify(message as never, secrets as never, { now: () => 1_700_000_000_000 }))
      },
    ),
  },
  {
    name: 'a malformed or wrong signature is refused with its code',
    runs: { short: 5000, full: 200_000 },
    property: fc.asyncProperty(malformedSignature, async (signature) => {
      const headers = { 'svix-id': 'msg_1', 'svix-timestamp': '0', 'svix-signature': signature }
      const code = codeThrownBy(() => verify({ headers, body: 'x' }, fixedSecret, { now: () => 0 }))
      insist(['no_supported_signature', 'signature_mismatch', 'missing_header'].includes(code), code)
    }),
  },
  {
    name: 'verify throws only our errors, whatever the message',
    runs: { short: 500, full: 10_000 },
    property: fc.asyncProperty(oddValue, secret, async (message, secret) => {
      const made = message()
      // The message object itself is the caller's. Only its contents come from outside.
      if (isReadable(made)) expectOursOrNothing(() => verify(made as never, secret))
    }),
  },
  {
    name: 'the error for a malformed secret never contains the secret',
    runs: { short: 500, full: 20_000 },
    property: fc.asyncProperty(fc.string({ minLength: 12, maxLength: 80, unit: 'binary' }), async (secret) => {
      try {
        sign({ id: 'msg_1', timestamp: 1, body: '' }, secret)
      } catch (error) {
        insist(isWebhookError(error) && error.code === 'configuration_invalid', `another error: ${String(error)}`)
        insist(
          !error.message.includes(secret) && !String(error.stack).includes(secret),
          'the message contains the secret',
        )
      }
    }),
  },
  {
    name: 'the reply to any request is in the reply table',
    runs: { short: 1000, full: 50_000 },
    property: fc.asyncProperty(oddRequest(), async (request) => {
      const receiver = createReceiver({
        secret: fixedSecret,
        logger: quiet,
        maxBodyBytes: 4096,
        replyTimeoutMs: 20,
      })
      const problem = outsideTable(await receiver.receive(request() as WebhookRequest))
      insist(problem === undefined, problem)
      await receiver.close()
    }),
  },
  {
    name: 'no handler runs again once all have succeeded, and every failure is reported',
    runs: { short: 60, full: 3000 },
    property: fc.asyncProperty(deliveryScenario, async (scenario) => {
      const problem = await tryScenario(scenario)
      insist(problem === undefined, problem)
    }),
  },
]

/** A request with arbitrary properties. */
function oddRequest(): fc.Arbitrary<Recipe> {
  const body = fc.oneof(
    fc.constant<Recipe>(() => () => new Promise(() => {})),
    oddValue.map<Recipe>((value) => () => value),
    oddValue.map<Recipe>((value) => () => () => Promise.reject(value())),
    oddValue.map<Recipe>((value) => () => () => {
      throw value()
    }),
    fc.uint8Array({ maxLength: 5000 }).map<Recipe>((bytes) => () => async () => bytes),
    oddValue,
  )
  const parts = fc.record(
    {
      method: fc.oneof({ weight: 9, arbitrary: fc.constant<Recipe>(() => 'POST') }, oddValue),
      headers: fc.oneof({ weight: 3, arbitrary: oddHeaders }, { weight: 5, arbitrary: freshHeaders }, oddValue),
      body,
      url: oddValue,
      remoteAddress: oddValue,
      logger: oddValue,
    },
    { requiredKeys: [] },
  )
  const request = fc
    .tuple(parts, fc.option(fc.constantFrom('method', 'headers', 'body', 'remoteAddress', 'logger'), { freq: 6 }))
    .map<Recipe>(([parts, throwing]) => () => {
      const made = Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, value()]))
      if (throwing === null) return made
      return Object.defineProperty(made, throwing, {
        get(): never {
          throw new Error(`${throwing} cannot be read`)
        },
      })
    })
  return fc.oneof({ weight: 12, arbitrary: request }, oddValue)
}

function* bitsFlipped(bytes: Buffer): Generator<Buffer> {
  for (let bit = 0; bit < bytes.byteLength * 8; bit += 1) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    yield flipped
  }
}

function expectRefused(message: Parameters<typeof verify>[0], secret: string): void {
  try {
    verify(message, secret, anyTime)
  } catch (error) {
    insist(isWebhookError(error), `another error: ${String(error)}`)
    return
  }
  throw new Error(`Accepted: ${JSON.stringify(message.headers)}`)
}

function codeThrownBy(work: () => unknown): string {
  try {
    work()
    return 'accepted'
  } catch (error) {
    return isWebhookError(error) ? error.code : `another error: ${String(error)}`
  }
}

function expectOursOrNothing(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    insist(isWebhookError(error), `another error: ${error instanceof Error ? error.stack : 'not even an error'}`)
  }
}

function isReadable(message: unknown): boolean {
  try {
    void (message as { headers?: unknown } | undefined)?.headers
    return true
  } catch {
    return false
  }
}

function renamed(headers: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.replace('svix-', 'Webhook-'), value as string]),
  )
}

function insist(holds: boolean, problem: string | undefined): asserts holds {
  if (!holds) throw new Error(problem)
}

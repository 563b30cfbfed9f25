import {
  createReceiver,
  PermanentError,
  type Receiver,
  RetryLaterError,
  type ScrapeNestEvents,
  type WebhookReply,
} from '@scrapenest-webhooks/core'
import { createEvent, type FakeClock, fakeClock, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import fc from 'fast-check'
import { quiet } from './quiet.ts'
import { outsideTable, resultOf } from './reply-table.ts'

/** What one handler does in one run of an event. */
type Behaviour =
  | 'succeeds'
  | 'fails'
  | 'gives up'
  | 'asks for time'
  | 'throws nothing'
  | 'is slow'
  | 'is slow, then fails'

interface Scenario {
  /** Per event, per run, what each of the three handlers does; after the last run all succeed. */
  readonly events: readonly (readonly (readonly [Behaviour, Behaviour, Behaviour])[])[]
  /** How many copies of one delivery arrive at the same time. */
  readonly copies: number
  /** How long the sender waits between attempts. */
  readonly pausesMs: readonly number[]
  /** How far the clock moves between attempts. */
  readonly stepsMs: readonly number[]
}

const behaviour: fc.Arbitrary<Behaviour> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Behaviour>('succeeds') },
  { weight: 5, arbitrary: fc.constantFrom<Behaviour>('fails', 'gives up', 'asks for time', 'throws nothing') },
  { weight: 1, arbitrary: fc.constantFrom<Behaviour>('is slow', 'is slow, then fails') },
)

export const deliveryScenario: fc.Arbitrary<Scenario> = fc.record({
  events: fc.array(fc.array(fc.tuple(behaviour, behaviour, behaviour), { maxLength: 4 }), {
    minLength: 1,
    maxLength: 4,
  }),
  copies: fc.integer({ min: 1, max: 3 }),
  pausesMs: fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 4 }),
  stepsMs: fc.array(fc.integer({ min: -30_000, max: 60_000 }), { minLength: 1, maxLength: 4 }),
})

const replyTimeoutMs = 8
const slowMs = 16
const maxAttempts = 400

/** One run of an event's handlers, as the handlers saw it. */
interface Run {
  readonly behaviours: readonly Behaviour[]
  readonly results: ('succeeded' | 'failed' | 'gave up')[]
}

/** What is true of one event, kept beside the receiver. */
class EventLedger {
  readonly runs = new Map<object, Run>()
  readonly script: Scenario['events'][number]
  problem: string | undefined

  constructor(script: Scenario['events'][number]) {
    this.script = script
  }

  /** All handlers of a run succeeded. */
  get hasSucceeded(): boolean {
    return this.#endedWith((results) => results.every((result) => result === 'succeeded'))
  }

  /** A handler of a run gave the event up, and none of that run asked for more. */
  get wasDropped(): boolean {
    return this.#endedWith((results) => results.includes('gave up') && !results.includes('failed'))
  }

  runFor(context: object): Run {
    const known = this.runs.get(context)
    if (known !== undefined) return known
    if (this.hasSucceeded) this.problem ??= 'a handler ran again after all had succeeded'
    if (this.wasDropped) this.problem ??= 'a handler ran again after the event was given up'
    const run: Run = { behaviours: this.script[this.runs.size] ?? [], results: [] }
    this.runs.set(context, run)
    return run
  }

  #endedWith(isSo: (results: Run['results']) => boolean): boolean {
    for (const { results } of this.runs.values()) if (results.length === 3 && isSo(results)) return true
    return false
  }
}

/** Delivers every event until it is acknowledged, as ScrapeNest does, and says which promise was broken. */
export async function tryScenario(scenario: Scenario): Promise<string | undefined> {
  const secret = generateSecret()
  const clock = fakeClock()
  const thrown: unknown[] = []
  const told: unknown[] = []
  const ledgers = new Map<string, EventLedger>()
  const receiver = createReceiver<ScrapeNestEvents, object>({
    secret,
    replyTimeoutMs,
    now: clock.now,
    logger: quiet,
    onError: (error, { code }) => {
      if (code !== 'handler_timeout') told.push(error)
    },
  })
  for (const [index, pattern] of (['job.created', 'job.*', '*'] as const).entries()) {
    receiver.onEvent(pattern, async (event, { context }) => {
      const run = (ledgers.get(event.event_id) as EventLedger).runFor(context as object)
      await behave(run, index, thrown)
    })
  }
  const problems = await Promise.all(
    scenario.events.map(async (script) => {
      const event = createEvent('job.created')
      const ledger = new EventLedger(script)
      ledgers.set(event.event_id, ledger)
      return (await sendUntilAcknowledged({ receiver, ledger, event, scenario, secret, clock })) ?? ledger.problem
    }),
  )
  await receiver.close({ graceMs: 1000 })
  return problems.find((problem) => problem !== undefined) ?? forgottenFailure(thrown, told)
}

async function behave({ behaviours, results }: Run, index: number, thrown: unknown[]): Promise<void> {
  const behaviour = behaviours[index] ?? 'succeeds'
  if (behaviour.startsWith('is slow')) await new Promise((resolve) => setTimeout(resolve, slowMs))
  if (behaviour === 'succeeds' || behaviour === 'is slow') {
    results.push('succeeded')
    return
  }
  results.push(behaviour === 'gives up' ? 'gave up' : 'failed')
  if (behaviour === 'asks for time') throw new RetryLaterError()
  const error = failureOf(behaviour)
  thrown.push(error)
  throw error
}

function failureOf(behaviour: Behaviour): unknown {
  if (behaviour === 'gives up') return new PermanentError('useless')
  return behaviour === 'throws nothing' ? undefined : new Error('failed')
}

interface Sending {
  readonly receiver: Receiver<ScrapeNestEvents, object>
  readonly ledger: EventLedger
  readonly event: object
  readonly scenario: Scenario
  readonly secret: string
  readonly clock: FakeClock
}

async function sendUntilAcknowledged(sending: Sending): Promise<string | undefined> {
  const { scenario, clock } = sending
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const copies = Array.from({ length: scenario.copies }, () => sendOnce(sending))
    for (const { reply, problem } of await Promise.all(copies)) {
      if (problem !== undefined) return problem
      if (reply.status === 202) return await expectDuplicate(sending)
      // A claim is a lease: the clock may not run it out while a handler is at work.
      if (reply.status !== 409) clock.advance(at(scenario.stepsMs, attempt))
    }
    await new Promise((resolve) => setTimeout(resolve, at(scenario.pausesMs, attempt)))
  }
  return `not acknowledged after ${maxAttempts} attempts`
}

async function sendOnce(
  sending: Sending,
): Promise<{ readonly reply: WebhookReply; readonly problem?: string | undefined }> {
  const { receiver, ledger, event, secret, clock } = sending
  const { method, headers, body } = signDelivery(event, { secret, sentAt: new Date(clock.now()) })
  const reply = await receiver.receive({ method, headers, body: async () => body }, {})
  return { reply, problem: outsideTable(reply) ?? brokenPromise(resultOf(reply), ledger) }
}

function brokenPromise(result: string, ledger: EventLedger): string | undefined {
  const { hasSucceeded, wasDropped } = ledger
  if (result === 'accepted' && !hasSucceeded) return 'accepted, and no run had succeeded'
  if (result === 'dropped' && !wasDropped) return 'dropped, and no handler had given up'
  if (result === 'duplicate' && !hasSucceeded && !wasDropped) return 'a duplicate of nothing'
  const expected = [
    'accepted',
    'dropped',
    'duplicate',
    'handler_failed',
    'handler_timeout',
    'retry_later',
    'event_in_progress',
  ]
  return expected.includes(result) ? undefined : `an unexpected reply: ${result}`
}

async function expectDuplicate(sending: Sending): Promise<string | undefined> {
  const { reply, problem } = await sendOnce(sending)
  if (problem !== undefined) return problem
  return resultOf(reply) === 'duplicate' ? undefined : `expected a duplicate, got ${resultOf(reply)}`
}

function forgottenFailure(thrown: readonly unknown[], told: readonly unknown[]): string | undefined {
  if (thrown.length !== told.length) return `${thrown.length} failures, of which onError was told ${told.length}`
  return thrown.every((error) => told.includes(error)) ? undefined : 'onError was told of another failure'
}

function at(values: readonly number[], index: number): number {
  return values[index % values.length] as number
}

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

/** What a handler does in one run. */
type Behavior =
  | 'succeeds'
  | 'fails'
  | 'gives up'
  | 'asks for time'
  | 'throws nothing'
  | 'is slow'
  | 'is slow, then fails'

interface Scenario {
  /** Event → run → what each of the three handlers does. After the last run, all succeed. */
  readonly events: readonly (readonly (readonly [Behavior, Behavior, Behavior])[])[]
  /** The number of concurrent copies of each delivery. */
  readonly copies: number
  /** The sender's delays between retries. */
  readonly pausesMs: readonly number[]
  /** The clock's steps between retries. */
  readonly stepsMs: readonly number[]
}

const behavior: fc.Arbitrary<Behavior> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Behavior>('succeeds') },
  { weight: 5, arbitrary: fc.constantFrom<Behavior>('fails', 'gives up', 'asks for time', 'throws nothing') },
  { weight: 1, arbitrary: fc.constantFrom<Behavior>('is slow', 'is slow, then fails') },
)

export const deliveryScenario: fc.Arbitrary<Scenario> = fc.record({
  events: fc.array(fc.array(fc.tuple(behavior, behavior, behavior), { maxLength: 4 }), {
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

/** A run of an event's handlers, as recorded by the handlers. */
interface Run {
  readonly behaviors: readonly Behavior[]
  readonly results: ('succeeded' | 'failed' | 'gave up')[]
}

/** The true state of an event, recorded independently of the receiver. */
class EventLedger {
  readonly runs = new Map<object, Run>()
  readonly script: Scenario['events'][number]
  problem: string | undefined

  constructor(script: Scenario['events'][number]) {
    this.script = script
  }

  /** Whether all handlers succeeded in some run. */
  get hasSucceeded(): boolean {
    return this.#endedWith((results) => results.every((result) => result === 'succeeded'))
  }

  /** Whether in some run a handler gave the event up and no other handler asked for a retry. */
  get wasDropped(): boolean {
    return this.#endedWith((results) => results.includes('gave up') && !results.includes('failed'))
  }

  runFor(context: object): Run {
    const known = this.runs.get(context)
    if (known !== undefined) return known
    if (this.hasSucceeded) this.problem ??= 'a handler ran again after all had succeeded'
    if (this.wasDropped) this.problem ??= 'a handler ran again after the event was given up'
    const run: Run = { behaviors: this.script[this.runs.size] ?? [], results: [] }
    this.runs.set(context, run)
    return run
  }

  #endedWith(isSo: (results: Run['results']) => boolean): boolean {
    for (const { results } of this.runs.values()) if (results.length === 3 && isSo(results)) return true
    return false
  }
}

/** Delivers every event until it is acknowledged, as ScrapeNest does. @returns the first broken guarantee, if any. */
export async function tryScenario(scenario: Scenario): Promise<string | undefined> {
  const secret = generateSecret()
  const clock = fakeClock()
  const thrown: unknown[] = []
  const reported: unknown[] = []
  const ledgers = new Map<string, EventLedger>()
  const receiver = createReceiver<ScrapeNestEvents, object>({
    secret,
    replyTimeoutMs,
    now: clock.now,
    logger: quiet,
    onError: (error, { code }) => {
      if (code !== 'handler_timeout') reported.push(error)
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
  return problems.find((problem) => problem !== undefined) ?? forgottenFailure(thrown, reported)
}

async function behave({ behaviors, results }: Run, index: number, thrown: unknown[]): Promise<void> {
  const behavior = behaviors[index] ?? 'succeeds'
  if (behavior.startsWith('is slow')) await new Promise((resolve) => setTimeout(resolve, slowMs))
  if (behavior === 'succeeds' || behavior === 'is slow') {
    results.push('succeeded')
    return
  }
  results.push(behavior === 'gives up' ? 'gave up' : 'failed')
  if (behavior === 'asks for time') throw new RetryLaterError()
  const error = failureOf(behavior)
  thrown.push(error)
  throw error
}

function failureOf(behavior: Behavior): unknown {
  if (behavior === 'gives up') return new PermanentError('useless')
  return behavior === 'throws nothing' ? undefined : new Error('failed')
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
      // A claim is a lease, which the clock must not expire while a handler is running.
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
  if (result === 'accepted' && !hasSucceeded) return 'accepted, although no run had succeeded'
  if (result === 'dropped' && !wasDropped) return 'dropped, although no handler had given up'
  if (result === 'duplicate' && !hasSucceeded && !wasDropped)
    return 'duplicate, although the event was neither handled nor dropped'
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

function forgottenFailure(thrown: readonly unknown[], reported: readonly unknown[]): string | undefined {
  if (thrown.length !== reported.length)
    return `${thrown.length} failures, of which ${reported.length} were passed to onError`
  return thrown.every((error) => reported.includes(error)) ? undefined : 'onError was called with an unknown failure'
}

function at(values: readonly number[], index: number): number {
  return values[index % values.length] as number
}

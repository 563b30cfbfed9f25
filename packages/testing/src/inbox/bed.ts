import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type {
  InboxUnderTest,
  InboxUnderTestAttempt,
  InboxUnderTestCapabilities,
  InboxUnderTestFilter,
  InboxUnderTestRecord,
  InboxUnderTestStats,
} from './contract.ts'
import { untilInboxStats } from './fixtures.ts'
import type { InboxCheckOptions, InboxCheckResult, InboxPlace, InboxTarget } from './target.ts'

/** One rule and how to try it, on a place of its own. */
export interface InboxScenario {
  readonly id: string
  readonly name: string
  readonly play: (bed: InboxBed) => Promise<void>
}

/** Plays one scenario against one engine. */
export async function playOn(target: InboxTarget, { play }: InboxScenario): Promise<InboxCheckResult> {
  const place = await target.createPlace()
  const bed = new InboxBed(target, place)
  try {
    await play(bed)
    return bed.result
  } catch (error) {
    if (error === notApplicable) return bed.result
    throw error
  } finally {
    await bed.close()
    await place.dispose?.()
  }
}

/** Thrown to end a scenario that an engine cannot play, and says so. */
const notApplicable = Symbol('not applicable')

/** Where a scenario is played: it opens inboxes, waits for them, and notes what the engine says that it cannot do. */
export class InboxBed {
  readonly #target: InboxTarget
  readonly #place: InboxPlace
  readonly #inboxes: InboxUnderTest[] = []
  readonly #missing = new Set<string>()
  #cell: 'pass without' | 'not applicable' = 'pass without'

  constructor(target: InboxTarget, place: InboxPlace) {
    this.#target = target
    this.#place = place
  }

  get result(): InboxCheckResult {
    const missing = [...this.#missing]
    return { cell: missing.length === 0 ? 'pass' : this.#cell, missing }
  }

  /** What the engine says it can do; an inbox is asked before the scenario opens one with options. */
  get capabilities(): InboxUnderTestCapabilities {
    return (this.#inboxes[0] ?? this.open()).capabilities
  }

  /** An inbox on the scenario's place. */
  open(options: InboxCheckOptions = {}): InboxUnderTest {
    const inbox = this.#place.open(options)
    this.#inboxes.push(inbox)
    return inbox
  }

  /** Ends the scenario where the engine says that it cannot do this at all. */
  needs(capability: 'isDurable' | 'isShared' | 'canTakeClock'): void {
    if (this.capabilities[capability] ?? true) return
    this.#missing.add(capability)
    this.#cell = 'not applicable'
    throw notApplicable
  }

  /** Whether the engine can do this; where not, the scenario asks for less, or for a refusal. */
  can(capability: 'canDropPayload'): boolean
  can(capability: 'filters', filter: keyof InboxUnderTestFilter): boolean
  can(capability: 'replayableStates', state: 'done' | 'dead'): boolean
  can(capability: keyof InboxUnderTestCapabilities, item?: string): boolean {
    const said = this.capabilities[capability]
    const isThere = Array.isArray(said) ? said.includes(item) : said === true
    if (!isThere) this.#missing.add(item === undefined ? capability : `${capability}: ${item}`)
    return isThere
  }

  /** What was asked must be refused as a wrong configuration, and not be answered with less. */
  async refuses(ask: () => unknown): Promise<void> {
    await assert.rejects(
      async () => await ask(),
      (error: { readonly code?: unknown } | undefined) => error?.code === 'configuration_invalid',
      'Expected what is not among the capabilities to be refused with a ConfigurationError.',
    )
  }

  /** The attempts must be these; where the engine keeps the last one only, that one. */
  expectHistory<Facts>(
    record: InboxUnderTestRecord | undefined,
    factsOf: (attempt: InboxUnderTestAttempt) => Facts,
    wanted: readonly Facts[],
  ): void {
    const keepsEvery = this.capabilities.attempts === 'every'
    if (!keepsEvery && wanted.length > 1) this.#missing.add('attempts: every')
    assert.deepEqual(record?.history.map(factsOf), keepsEvery ? wanted : wanted.slice(-1))
  }

  async untilStats(inbox: InboxUnderTest, wanted: Partial<InboxUnderTestStats>): Promise<void> {
    await untilInboxStats(inbox, wanted, this.#timeoutMs)
  }

  /** @param what completes "within … ms …", for the message. */
  async until(condition: () => boolean, what: string): Promise<void> {
    const giveUpAtMs = performance.now() + this.#timeoutMs
    while (!condition()) {
      assert.ok(performance.now() < giveUpAtMs, `Expected that within ${this.#timeoutMs} ms ${what}.`)
      await sleep(2)
    }
  }

  async close(): Promise<void> {
    // A broken inbox may fail here too; what its check found out first is what counts.
    await Promise.allSettled(this.#inboxes.map(async (inbox) => await inbox.close({ graceMs: 0 })))
    // Handlers have been aborted; a slow store may still be closing.
    await Promise.allSettled(this.#inboxes.map(async (inbox) => await inbox.close()))
  }

  get #timeoutMs(): number {
    return this.#target.timeoutMs ?? 5000
  }
}

export type Counts = Omit<InboxUnderTestStats, 'oldestReadyAt'>

/** The numbers of an inbox, without the time that is among them. */
export async function countsOf(inbox: InboxUnderTest): Promise<Counts> {
  const { ready, running, done, dead, unhandled } = await inbox.stats()
  return { ready, running, done, dead, unhandled }
}

/** Long enough for what must not happen to happen, in milliseconds. */
export const aWhileMs = 30

export const soon = (): number => 5

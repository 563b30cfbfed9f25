import { createReceiver, type DeliveryOutcome, type Receiver, type ScrapeNestEvents } from '@scrapenest-webhooks/core'
import type { ReadyReceiver } from '@scrapenest-webhooks/core/adapter'
import { createEvent, generateSecret, conformancePath as path, signDelivery } from '@scrapenest-webhooks/testing'
import type { Budget } from './family.ts'
import { quiet } from './quiet.ts'
import type { RawReply } from './raw-client.ts'

/** The parts of a signed delivery, for a raw client to assemble. */
export interface RawDelivery {
  readonly eventId: string
  /** Without `content-length` and `host`. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** A receiver behind a server, and a record of what they did. */
export class Arena {
  readonly budget: Budget
  readonly seed: number
  readonly handled: string[] = []
  readonly outcomes: DeliveryOutcome[] = []
  readonly problems: string[] = []
  readonly receiver: Receiver<ScrapeNestEvents>
  cases = 0
  port = 0
  readonly #secret = generateSecret()

  constructor(options: { readonly budget: Budget; readonly seed: number; readonly replyTimeoutMs: number }) {
    this.budget = options.budget
    this.seed = options.seed
    this.receiver = createReceiver({
      secret: this.#secret,
      logger: quiet,
      replyTimeoutMs: options.replyTimeoutMs,
      onEvent: { '*': (event) => void this.handled.push(event.event_id) },
      onDelivery: (outcome) => void this.outcomes.push(outcome),
    })
  }

  get ready(): ReadyReceiver {
    return this.receiver
  }

  /** A genuine delivery with characters of two and four bytes. */
  sign(size = 0): RawDelivery {
    const event = createEvent('job.created', { org_slug: `zürich-🔑${'ü'.repeat(size)}` })
    const { headers, body } = signDelivery(event, { secret: this.#secret })
    return { eventId: event.event_id, headers, body }
  }

  expect(holds: boolean, problem: () => string): void {
    this.cases += 1
    if (!holds) this.problems.push(problem())
  }

  /** Expects exactly these statuses. */
  expectStatuses(what: string, replies: readonly RawReply[], ...statuses: readonly number[]): void {
    const got = replies.map(({ status }) => status)
    this.expect(
      String(got) === String(statuses),
      () => `${what}: expected ${statuses.join(', ')}, got ${got.join(', ') || 'nothing'}`,
    )
  }

  expectHandled(what: string, ...eventIds: readonly string[]): void {
    this.expect(
      String([...this.handled].sort()) === String([...eventIds].sort()),
      () => `${what}: expected ${eventIds.length} runs of the handler, got ${this.handled.length}`,
    )
  }

  async expectOutcomes(what: string, count: number, result: DeliveryOutcome['result']): Promise<void> {
    const endsAtMs = Date.now() + 15_000
    const found = (): number => this.outcomes.filter((outcome) => outcome.result === result).length
    while (found() < count && Date.now() < endsAtMs) await pause(5)
    this.expect(found() === count, () => `${what}: expected ${count} × ${result}, got ${this.#countedOutcomes()}`)
  }

  #countedOutcomes(): string {
    const counts = new Map<string, number>()
    for (const { result } of this.outcomes) counts.set(result, (counts.get(result) ?? 0) + 1)
    return [...counts].map(([result, times]) => `${times} × ${result}`).join(', ') || 'nothing'
  }
}

export { path }

export interface HeadOptions {
  readonly method?: string
  readonly target?: string
  readonly version?: string
}

/** The head of a request. Lines are written unchanged: names may repeat, and values may be anything. */
export function head(lines: readonly (readonly [string, string | number])[], options: HeadOptions = {}): string {
  const { method = 'POST', target = path, version = 'HTTP/1.1' } = options
  const all = [['host', 'localhost'] as const, ...lines]
  return `${method} ${target} ${version}\r\n${all.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

export function lines(delivery: RawDelivery): (readonly [string, string | number])[] {
  return Object.entries(delivery.headers)
}

/** The whole delivery, as an honest client sends it. */
export function whole(delivery: RawDelivery): Buffer {
  const text = head([...lines(delivery), ['content-length', delivery.body.byteLength]])
  return Buffer.concat([Buffer.from(text, 'latin1'), delivery.body])
}

export function chunk(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.byteLength.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
}

export async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds))
}

import { AsyncResource } from 'node:async_hooks'
import { createHmac } from 'node:crypto'
import { setImmediate as realSetImmediate } from 'node:timers'
import { expect, type Mock, vi } from 'vitest'
import {
  type BodyLimits,
  createReceiver,
  type Logger,
  type Receiver,
  type ReceiverOptions,
  type ScrapeNestEvents,
  sign,
  type WebhookErrorCode,
  type WebhookReply,
  type WebhookRequest,
} from '../src/index.ts'

export const secret: string = `whsec_${Buffer.alloc(32, 'first').toString('base64')}`
export const otherSecret: string = `whsec_${Buffer.alloc(32, 'second').toString('base64')}`

/** The time on the clock of the tests: a whole second. */
export const startMs: number = Date.UTC(2026, 0, 15, 12)
export const startSeconds: number = startMs / 1000
export const atStart: { readonly now: () => number } = { now: () => startMs }

export function base64Mac(content: string | Uint8Array, key: string = secret): string {
  return createHmac('sha256', Buffer.from(key.slice('whsec_'.length), 'base64'))
    .update(content)
    .digest('base64')
}

export interface FakeClock {
  readonly now: () => number
  advance(milliseconds: number): void
}

export function fakeClock(): FakeClock {
  let nowMs = startMs
  return {
    now: () => nowMs,
    advance(milliseconds) {
      nowMs += milliseconds
    },
  }
}

export const envelope = {
  version: '1.0.0',
  occurred_at: '2026-01-15T12:00:00Z',
  org_id: 'org_1',
  org_slug: 'example',
} as const

export function eventOf(event_type: string, data: unknown = { job_id: 'job_1' }, event_id = 'event_1'): object {
  return { event_id, event_type, ...envelope, data }
}

/** A request as an adapter passes it, with a `body` that records its calls. */
export interface TestRequest extends WebhookRequest {
  readonly headers: Record<string, string>
  readonly body: Mock<(limits: BodyLimits) => Promise<Uint8Array>>
}

export interface DeliveryOptions extends Partial<Omit<WebhookRequest, 'headers' | 'body'>> {
  readonly id?: string
  readonly secret?: string
  readonly sentAtMs?: number
  /** Set after signing; `undefined` removes the header. */
  readonly headers?: Readonly<Record<string, string | undefined>>
}

/** A signed delivery of an event, or of any text or bytes. */
export function deliver(
  payload: object | string | Uint8Array = eventOf('job.created'),
  options: DeliveryOptions = {},
): TestRequest {
  const { id = 'msg_1', secret: key = secret, sentAtMs = startMs, headers, ...request } = options
  const bytes =
    payload instanceof Uint8Array
      ? payload
      : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload), 'utf8')
  const all = {
    'content-type': 'application/json',
    'content-length': String(bytes.byteLength),
    ...sign({ id, timestamp: Math.floor(sentAtMs / 1000), body: bytes }, key),
    ...headers,
  }
  return {
    method: 'POST',
    url: '/webhooks/scrapenest',
    headers: Object.fromEntries(Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined)),
    body: vi.fn(async () => bytes),
    remoteAddress: '192.0.2.7',
    ...request,
  }
}

export interface LogLine {
  readonly level: 'warn' | 'error'
  readonly fields: Record<string, unknown>
  readonly message: string
}

/** A logger that records its lines. */
export function recordingLogger(): Logger & { readonly lines: LogLine[] } {
  const lines: LogLine[] = []
  return {
    lines,
    warn: (fields, message) => void lines.push({ level: 'warn', fields: { ...fields }, message }),
    error: (fields, message) => void lines.push({ level: 'error', fields: { ...fields }, message }),
  }
}

export type TestOptions = Partial<ReceiverOptions<ScrapeNestEvents, unknown>>

/** A receiver at the time of the tests, whose log is recorded. */
export function testReceiver(options: TestOptions = {}): Receiver & { readonly lines: LogLine[] } {
  const logger = recordingLogger()
  const receiver = createReceiver({ secret, logger, ...atStart, ...options })
  return Object.assign(receiver, { lines: logger.lines })
}

/** Status and parsed body of a reply. */
export async function answer(
  receiver: { readonly receive: (request: WebhookRequest) => Promise<WebhookReply> },
  request: WebhookRequest = deliver(),
): Promise<{ readonly status: number; readonly body: unknown }> {
  const { status, body } = await receiver.receive(request)
  return { status, body: JSON.parse(body) }
}

export interface Deferred<Value = void> {
  readonly promise: Promise<Value>
  readonly resolve: (value: Value) => void
  readonly reject: (error: unknown) => void
}

/** A promise that the test settles. */
export function deferred<Value = void>(): Deferred<Value> {
  let resolve: (value: Value) => void = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<Value>((...settle) => {
    ;[resolve, reject] = settle
  })
  return { promise, resolve, reject }
}

/** A function that throws. */
export function failing(error: unknown): () => never {
  return () => {
    throw error
  }
}

/** A promise that never settles. */
export function hang(): Promise<never> {
  return new Promise(() => {})
}

/** Lets everything run that waits for no timer and no input. */
export function settle(): Promise<void> {
  return new Promise((resolve) => realSetImmediate(resolve))
}

/**
 * Fake timers that behave like Node's in one more respect: a callback runs in the async context in which it was set. Vitest's
 * would run it in that of the test.
 */
export function useFakeTimersInContext(): void {
  vi.useFakeTimers()
  const fake = globalThis.setTimeout
  vi.spyOn(globalThis, 'setTimeout').mockImplementation(((callback: () => void, ...rest: []) =>
    fake(AsyncResource.bind(callback), ...rest)) as typeof setTimeout)
}

/** What an action throws. */
export function thrownBy(action: () => unknown): Error & { readonly code?: unknown } {
  try {
    action()
  } catch (error) {
    return error as Error & { readonly code?: unknown }
  }
  throw new Error('Nothing was thrown.')
}

/** An assertion about a thrown error: its code, and a part of its message. */
export function refusal(code: WebhookErrorCode, saying = ''): unknown {
  return expect.objectContaining({ code, message: expect.stringContaining(saying) })
}

import { createHmac } from 'node:crypto'
import { type Mock, vi } from 'vitest'
import { type BodyLimits, type Logger, type Receiver, sign, type WebhookRequest } from '../src/index.ts'

export const secret: string = `whsec_${Buffer.alloc(32, 'first').toString('base64')}`
export const otherSecret: string = `whsec_${Buffer.alloc(32, 'second').toString('base64')}`

/** Where the clock of the tests stands, in a whole second. */
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

/** A request as an adapter hands it over, whose `body` tells whether it was called. */
export interface TestRequest extends WebhookRequest {
  readonly headers: Record<string, string>
  readonly body: Mock<(limits: BodyLimits) => Promise<Uint8Array>>
}

export interface DeliveryOptions extends Partial<Omit<WebhookRequest, 'headers' | 'body'>> {
  readonly id?: string
  readonly secret?: string
  readonly sentAtMs?: number
  /** Set after signing; `undefined` leaves the header out. */
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

/** A logger that keeps its lines. */
export function recordingLogger(): Logger & { readonly lines: LogLine[] } {
  const lines: LogLine[] = []
  return {
    lines,
    warn: (fields, message) => void lines.push({ level: 'warn', fields: { ...fields }, message }),
    error: (fields, message) => void lines.push({ level: 'error', fields: { ...fields }, message }),
  }
}

/** Status and parsed body of a reply, and what a host would add to its own headers. */
export async function answer(
  receiver: Pick<Receiver, 'receive'>,
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

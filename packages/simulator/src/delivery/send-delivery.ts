import { type Agent, type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Secret } from '@scrapenest-webhooks/core'
import { messageOf } from '@scrapenest-webhooks/core/adapter'
import { type Fault, faultyBody, staleAgeMs } from './faults.ts'
import { type SignatureKey, signedHeaders } from './signed-headers.ts'

export interface OutgoingDelivery {
  readonly url: string
  readonly messageId: string
  readonly body: Buffer
  /** The delivery gets a signature for each. */
  readonly secrets: readonly Secret[]
  /** @default 'decoded' */
  readonly signatureKey?: SignatureKey | undefined
  /** The faults that affect a single request: `tamper`, `stale`, `slow`, `reserialize`, `drop`. */
  readonly faults?: ReadonlySet<Fault> | undefined
  /** The time limit for the reply, in milliseconds. @default 10000, as documented by ScrapeNest */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** `false` opens a new connection. */
  readonly agent?: Agent | false | undefined
}

/** The result of one delivery. */
export interface DeliveryReply {
  /** Absent if there was no reply. */
  readonly statusCode?: number
  /** The first 2 KiB of the reply. */
  readonly responseBody: string
  /** The target of a redirect, which is not followed. */
  readonly location?: string
  readonly latencyMs: number
  /** Why there was no reply. */
  readonly failure?: string
  /** Set if the fault `drop` closed the connection. Absent if there was no connection to close. */
  readonly isDropped?: true
}

/** The error of a connection that the fault `drop` closed. */
const dropped = new Error('connection dropped')
/** The error of a kept connection that the server had closed, or closed before it could read the request. */
const stale = new Error('stale connection')
const maxReplyBytes = 2048
const slowPieces = 10
const slowPauseMs = 100

interface ReceivedReply {
  readonly statusCode: number
  readonly responseBody: string
  readonly location: string | undefined
}

/** Signs and posts one delivery. Never rejects, and follows no redirect. */
export async function sendDelivery(delivery: OutgoingDelivery): Promise<DeliveryReply> {
  const startedMs = performance.now()
  const { timeoutMs = 10_000 } = delivery
  const timeout = AbortSignal.timeout(timeoutMs)
  const signal = delivery.signal === undefined ? timeout : AbortSignal.any([delivery.signal, timeout])
  const latencyMs = (): number => Math.round(performance.now() - startedMs)
  try {
    const { location, ...reply } = await postAgainIfStale(delivery, signal)
    return { ...reply, ...(location !== undefined && { location }), latencyMs: latencyMs() }
  } catch (error) {
    const failure = timeout.aborted ? `no reply within ${timeoutMs} ms` : reasonOf(error)
    return { responseBody: '', latencyMs: latencyMs(), failure, ...(error === dropped && { isDropped: true }) }
  }
}

/** A server may close a kept connection at any time. That is not its reply, so the delivery is sent on a new connection. */
async function postAgainIfStale(delivery: OutgoingDelivery, signal: AbortSignal): Promise<ReceivedReply> {
  try {
    return await post(delivery, signal)
  } catch (error) {
    if (error !== stale) throw error
    return post({ ...delivery, agent: false }, signal)
  }
}

async function post(delivery: OutgoingDelivery, signal: AbortSignal): Promise<ReceivedReply> {
  const { messageId: id, body, secrets, signatureKey = 'decoded', faults = new Set() } = delivery
  const sentAt = new Date(Date.now() - (faults.has('stale') ? staleAgeMs : 0))
  const bytes = faultyBody(body, faults)
  const url = new URL(delivery.url)
  const send = url.protocol === 'https:' ? requestHttps : requestHttp
  const request = send(url, {
    method: 'POST',
    signal,
    ...(isUsable(delivery.agent, url) && { agent: delivery.agent }),
    headers: {
      'content-type': 'application/json',
      'content-length': bytes.length,
      'user-agent': 'scrapenest-webhooks-simulator',
      ...signedHeaders({ id, sentAt, body }, { secrets, signatureKey }),
    },
  })
  const responded = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    request.on('error', (error: NodeJS.ErrnoException) => {
      const isReset = error.code === 'ECONNRESET' || error.code === 'EPIPE'
      reject(request.reusedSocket && isReset ? stale : error)
    })
  })
  // A slow body may be refused before `responded` is awaited. Without this, that would be an unhandled rejection.
  responded.catch(() => {})
  if (faults.has('drop')) dropHalfway(request, bytes)
  else if (faults.has('slow')) await writeSlowly(request, bytes, signal)
  else request.end(bytes)
  return readReply(await responded)
}

/** The simulator's agent is for http. */
function isUsable(agent: OutgoingDelivery['agent'], { protocol }: URL): boolean {
  return agent === false || (agent !== undefined && protocol === 'http:')
}

function dropHalfway(request: ClientRequest, bytes: Buffer): void {
  request.write(bytes.subarray(0, bytes.length / 2), () => request.destroy(dropped))
}

async function writeSlowly(request: ClientRequest, bytes: Buffer, signal: AbortSignal): Promise<void> {
  for (let piece = 0; piece < slowPieces; piece += 1) {
    request.write(bytes.subarray((bytes.length * piece) / slowPieces, (bytes.length * (piece + 1)) / slowPieces))
    await sleep(slowPauseMs, undefined, { signal })
  }
  request.end()
}

async function readReply(response: IncomingMessage): Promise<ReceivedReply> {
  const chunks: Buffer[] = []
  let byteLength = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    // Reads to the end, so the connection can be reused, but keeps only the beginning.
    if (byteLength < maxReplyBytes) chunks.push(chunk)
    byteLength += chunk.length
  }
  const responseBody = Buffer.concat(chunks).subarray(0, maxReplyBytes).toString('utf8')
  return { statusCode: response.statusCode ?? 0, responseBody, location: response.headers.location }
}

function reasonOf(error: unknown): string {
  const code = (error as Partial<NodeJS.ErrnoException> | null | undefined)?.code
  return code === undefined ? messageOf(error) : `${messageOf(error)} (${code})`
}

import { randomUUID } from 'node:crypto'
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { sign } from '@scrapenest-webhooks/core'

export interface Probe {
  readonly body: Buffer
  /** If absent, the probe is not signed. */
  readonly secret?: string | undefined
  /** The time of signing relative to now, in seconds. Negative for the past. */
  readonly offsetSeconds?: number
  /** Sent instead of the signed bytes. */
  readonly sentBody?: Buffer
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Omits the content-length. */
  readonly isChunked?: boolean
}

export interface ProbeReply {
  /** Absent if there was no reply. */
  readonly status?: number
  /** The error code, if the server uses one of our receivers. */
  readonly code?: string | undefined
  /** The target of a redirect. */
  readonly location?: string | undefined
  /** Why there was no reply: Node's error code, if there is one. */
  readonly failure?: string
  readonly latencyMs: number
  /** The server's clock minus ours, in whole seconds, according to its `Date` header. */
  readonly clockOffsetSeconds?: number | undefined
}

const maxReplyLength = 4096

/** Sends one probe. Never rejects, and follows no redirect. */
export function sendProbe(url: string, probe: Probe, timeoutMs: number): Promise<ProbeReply> {
  const { body, secret, offsetSeconds = 0, sentBody = body, method = 'POST', isChunked = false } = probe
  const timestamp = Math.floor(Date.now() / 1000) + offsetSeconds
  const id = `msg_${randomUUID().replaceAll('-', '')}`
  const hasBody = method === 'POST'
  const startedMs = performance.now()
  const latencyMs = (): number => Math.round(performance.now() - startedMs)
  return new Promise((resolve) => {
    const request = (url.startsWith('https:') ? requestHttps : requestHttp)(url, {
      method,
      agent: false,
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        ...(hasBody && { 'content-type': 'application/json' }),
        ...(hasBody && !isChunked && { 'content-length': String(sentBody.length) }),
        'user-agent': 'scrapenest-webhooks-doctor',
        ...(secret !== undefined && sign({ id, timestamp, body }, secret)),
        ...probe.headers,
      },
    })
    request.once('response', async (response) => {
      const code = readCode(await readStart(response))
      const { statusCode: status = 0, headers } = response
      const { location } = headers
      resolve({ status, code, location, latencyMs: latencyMs(), clockOffsetSeconds: clockOffset(headers.date) })
      // A server that refuses the request early may still wait for the rest of the body.
      request.destroy()
    })
    request.on('error', (error: NodeJS.ErrnoException) => {
      const timedOut = error.name === 'TimeoutError' || error.name === 'AbortError'
      const failure = timedOut ? `no reply within ${timeoutMs} ms` : (error.code ?? error.message)
      resolve({ failure, latencyMs: latencyMs() })
    })
    request.end(hasBody ? sentBody : undefined)
  })
}

async function readStart(response: IncomingMessage): Promise<string> {
  let text = ''
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      text += chunk.toString('latin1')
      if (text.length > maxReplyLength) break
    }
  } catch {
    // The status is known. The body would only add the code.
  }
  return text
}

function readCode(text: string): string | undefined {
  try {
    const { error, status } = JSON.parse(text) as { error?: unknown; status?: unknown }
    const code = error ?? status
    return typeof code === 'string' ? code : undefined
  } catch {
    return undefined
  }
}

function clockOffset(date: string | undefined): number | undefined {
  const dateMs = Date.parse(date ?? '')
  return Number.isNaN(dateMs) ? undefined : Math.round((dateMs - Date.now()) / 1000)
}

export function isSuccess({ status = 0 }: ProbeReply): boolean {
  return status >= 200 && status < 300
}

/** Describes the reply for a report. */
export function describeReply({ status, code, failure = 'no reply' }: ProbeReply): string {
  if (status === undefined) return failure
  return code === undefined ? String(status) : `${status} ${code}`
}

import { randomUUID } from 'node:crypto'
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { sign } from '@scrapenest-webhooks/core'

export interface Probe {
  readonly body: Buffer
  /** Nothing: the probe is not signed. */
  readonly secret?: string | undefined
  /** When it was signed, in seconds from now. */
  readonly offsetSeconds?: number
  /** What is sent in place of the signed bytes. */
  readonly sentBody?: Buffer
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Leaves out the content-length. */
  readonly isChunked?: boolean
}

export interface ProbeReply {
  /** Absent where no answer came. */
  readonly status?: number
  /** The code of a receiver of this family. */
  readonly code?: string | undefined
  /** Why no answer came. */
  readonly failure?: string
  readonly latencyMs: number
  /** The server's clock minus ours, by its `Date` header, which has whole seconds. */
  readonly clockOffsetSeconds?: number | undefined
}

export function isSuccess({ status = 0 }: ProbeReply): boolean {
  return status >= 200 && status < 300
}

/** Sends one probe. Never rejects, follows no redirect. */
export function sendProbe(url: string, probe: Probe, timeoutMs: number): Promise<ProbeReply> {
  const { body, secret, offsetSeconds = 0, sentBody = body, method = 'POST', isChunked = false } = probe
  const timestamp = Math.floor(Date.now() / 1000) + offsetSeconds
  const id = `msg_${randomUUID().replaceAll('-', '')}`
  const hasBody = method === 'POST'
  const startedMs = performance.now()
  const latency = (): number => Math.round(performance.now() - startedMs)
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
      const code = codeIn(await readStart(response))
      const { statusCode: status = 0, headers } = response
      const dateMs = Date.parse(headers.date ?? '')
      const clockOffsetSeconds = Number.isNaN(dateMs) ? undefined : Math.round((dateMs - Date.now()) / 1000)
      resolve({ status, code, latencyMs: latency(), clockOffsetSeconds })
      // A server that refused may still expect the rest of the body; nobody will send it.
      request.destroy()
    })
    request.on('error', (error: NodeJS.ErrnoException) => {
      const timedOut = error.name === 'TimeoutError' || error.name === 'AbortError'
      const failure = timedOut ? `no answer within ${timeoutMs} ms` : (error.code ?? error.message)
      resolve({ failure, latencyMs: latency() })
    })
    request.end(hasBody ? sentBody : undefined)
  })
}

async function readStart(response: IncomingMessage): Promise<string> {
  let text = ''
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      text += chunk.toString('latin1')
      if (text.length > 4096) break
    }
  } catch {
    // The status has been read; what is missing of the body is no loss.
  }
  return text
}

function codeIn(text: string): string | undefined {
  try {
    const { error, status } = JSON.parse(text) as { error?: unknown; status?: unknown }
    const code = error ?? status
    return typeof code === 'string' ? code : undefined
  } catch {
    return undefined
  }
}

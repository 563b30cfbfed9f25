import type { JobRequest } from './job.ts'

export interface TargetResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly finalUrl: string
  readonly contentType: string
  readonly body: Buffer
}

export const simulatorUserAgent = 'scrapenest-webhooks-simulator'

const maxBodyBytes = 10 * 1024 * 1024

/**
 * Fetches the `target_url` of a job without a browser. No script runs, whatever the tier.
 *
 * @returns the response, or the `failure_reason` of the job.
 */
export async function fetchTarget(job: JobRequest, closing: AbortSignal): Promise<TargetResponse | string> {
  const timeout = AbortSignal.timeout(job.timeout_ms ?? 30_000)
  try {
    const response = await fetch(job.target_url, {
      method: job.method ?? 'GET',
      headers: { 'user-agent': job.user_agent ?? simulatorUserAgent, ...job.headers },
      ...(job.body !== undefined && { body: job.body }),
      redirect: job.follow_redirects === false ? 'manual' : 'follow',
      signal: AbortSignal.any([timeout, closing]),
    })
    const body = await readBody(response)
    if (body === undefined) return 'response_too_large'
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      finalUrl: response.url || job.target_url,
      contentType: response.headers.get('content-type') ?? 'application/octet-stream',
      body,
    }
  } catch {
    return timeout.aborted ? 'timeout' : 'connection_failed'
  }
}

/** @returns `undefined` if the body is too large. */
async function readBody(response: Response): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = []
  let byteLength = 0
  for await (const chunk of response.body ?? []) {
    byteLength += chunk.byteLength
    if (byteLength > maxBodyBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { isScrapeNestError, ScrapeNestError } from '../errors.ts'
import { pause } from '../request/pause.ts'
import { backoffMs, retriedStatuses } from '../request/retry.ts'
import type { ArtifactLocator, LocatedArtifact } from './artifact-locator.ts'
import { connectionFailure, type DownloadRules, openUrl } from './open-url.ts'

export interface DownloadProgress {
  readonly receivedBytes: number
  /** Present if the server declared it. */
  readonly totalBytes: number | undefined
}

/** Where the bytes go. Nothing is visible before `commit`. */
export interface Sink<Output> {
  write(chunk: Uint8Array): Promise<void>
  commit(): Promise<Output>
  /** Never throws. */
  discard(): Promise<void>
}

export interface DownloadSettings extends DownloadRules {
  readonly maxRetries: number
  readonly maxBytes: number
  /** Lower-case hex. */
  readonly sha256: string | undefined
  readonly onProgress: ((progress: DownloadProgress) => void) | undefined
}

interface Downloaded<Output> {
  readonly output: Output
  readonly byteLength: number
  readonly sha256: string
  readonly contentType: string | undefined
}

/** Statuses for an expired or modified URL: S3 returns 403, Google 400, others 401 or 410. */
const expiredStatuses: ReadonlySet<number> = new Set([400, 401, 403, 410])

/** Downloads an artifact into a sink. An expired URL is renewed once, if more than the URL is known. */
export async function downloadTo<Output>(
  createSink: () => Promise<Sink<Output>>,
  locator: ArtifactLocator,
  settings: DownloadSettings,
): Promise<Downloaded<Output>> {
  const { signal } = settings
  signal?.throwIfAborted()
  const first = await downloadWithRetries(createSink, await locator.locate({ signal }), settings)
  if (!(first instanceof ExpiredUrl)) return first
  if (locator.renew === undefined) {
    throw urlExpired(first, 'To have an expired URL renewed, pass the whole event, or the id of the artifact.')
  }
  const second = await downloadWithRetries(createSink, await locator.renew({ signal }), settings)
  if (!(second instanceof ExpiredUrl)) return second
  throw urlExpired(second, 'The renewed URL was refused as well.')
}

/** A result, not an error: it is only an error if the URL cannot be renewed. */
class ExpiredUrl {
  readonly host: string
  readonly status: number
  constructor(host: string, status: number) {
    this.host = host
    this.status = status
  }
}

function urlExpired({ host, status }: ExpiredUrl, detail: string): ScrapeNestError {
  const message = `${host} returned ${status}: the download_url has expired or was modified. ${detail}`
  return new ScrapeNestError({ code: 'download_url_expired', message, status })
}

async function downloadWithRetries<Output>(
  createSink: () => Promise<Sink<Output>>,
  located: LocatedArtifact,
  settings: DownloadSettings,
): Promise<Downloaded<Output> | ExpiredUrl> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await attemptDownload(createSink, located, settings)
    } catch (error) {
      if (attempt > settings.maxRetries || !isWorthRetrying(error)) throw error
      await pause(backoffMs(attempt), settings.signal)
    }
  }
}

function isWorthRetrying(error: unknown): boolean {
  if (!isScrapeNestError(error)) return false
  if (error.code === 'download_failed') return retriedStatuses.has(error.status)
  return error.code === 'connection_failed' || error.code === 'request_timeout'
}

async function attemptDownload<Output>(
  createSink: () => Promise<Sink<Output>>,
  located: LocatedArtifact,
  settings: DownloadSettings,
): Promise<Downloaded<Output> | ExpiredUrl> {
  const response = await openUrl(located.url, settings)
  const { host } = new URL(located.url)
  const { statusCode: status = 0 } = response
  try {
    if (expiredStatuses.has(status)) return new ExpiredUrl(host, status)
    if (status !== 200)
      throw new ScrapeNestError({
        code: 'download_failed',
        message: `${host} returned ${status} for the download.`,
        status,
      })
    return await receive(await createSink(), { response, host, located, settings })
  } finally {
    response.destroy()
  }
}

async function receive<Output>(
  sink: Sink<Output>,
  download: {
    readonly response: IncomingMessage
    readonly host: string
    readonly located: LocatedArtifact
    readonly settings: DownloadSettings
  },
): Promise<Downloaded<Output>> {
  const { response, located, settings } = download
  const { maxBytes } = settings
  const hash = createHash('sha256')
  const totalBytes = declaredLength(response) ?? located.byteLength
  let receivedBytes = 0
  try {
    if (totalBytes !== undefined && totalBytes > maxBytes) throw tooLarge(maxBytes)
    for await (const chunk of chunksOf(download)) {
      receivedBytes += chunk.byteLength
      if (receivedBytes > maxBytes) throw tooLarge(maxBytes)
      hash.update(chunk)
      await sink.write(chunk)
      settings.onProgress?.({ receivedBytes, totalBytes })
    }
    settings.signal?.throwIfAborted()
    const sha256 = hash.digest('hex')
    checkIntegrity({ byteLength: receivedBytes, sha256 }, [located, { sha256: settings.sha256 }])
    const contentType = response.headers['content-type']
    return { output: await sink.commit(), byteLength: receivedBytes, sha256, contentType }
  } catch (error) {
    await sink.discard()
    throw error
  }
}

function tooLarge(maxBytes: number): ScrapeNestError {
  const message = `The artifact is longer than ${maxBytes} bytes.`
  return new ScrapeNestError({ code: 'download_too_large', message, maxBytes })
}

/** The decoded bytes. Failures of the connection become ours here, where they cannot be taken for the sink's. */
async function* chunksOf({
  response,
  host,
  settings: { signal },
}: {
  readonly response: IncomingMessage
  readonly host: string
  readonly settings: DownloadSettings
}): AsyncGenerator<Uint8Array, void, void> {
  try {
    for await (const chunk of decoded(response)) yield chunk
  } catch (error) {
    throw connectionFailure(error, { host, signal })
  }
}

/** A storage keeps the content-encoding that an object was stored with, whatever was asked for. */
function decoded(response: IncomingMessage): Readable {
  const decoder = decoderOf(response.headers['content-encoding'])
  if (decoder === undefined) return response
  response.once('error', (error) => decoder.destroy(error))
  return response.pipe(decoder)
}

function decoderOf(encoding: string | undefined) {
  switch (encoding?.toLowerCase()) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip()
    case 'br':
      return createBrotliDecompress()
    case 'deflate':
      return createInflate()
    default:
      return undefined
  }
}

/** The length of what arrives; of a compressed body only the compressed length is declared. */
function declaredLength({ headers }: IncomingMessage): number | undefined {
  const length = headers['content-length']
  const isEncoded = decoderOf(headers['content-encoding']) !== undefined
  return length === undefined || isEncoded ? undefined : Number(length)
}

function checkIntegrity(
  actual: { readonly byteLength: number; readonly sha256: string },
  expectations: readonly Pick<LocatedArtifact, 'byteLength' | 'sha256'>[],
): void {
  for (const { byteLength, sha256 } of expectations) {
    if (byteLength !== undefined && byteLength !== actual.byteLength) {
      throw integrityMismatch('size', { expected: `${byteLength} bytes`, actual: `${actual.byteLength} bytes` })
    }
    if (sha256 !== undefined && sha256 !== actual.sha256) {
      throw integrityMismatch('SHA-256', { expected: sha256, actual: actual.sha256 })
    }
  }
}

function integrityMismatch(
  property: 'size' | 'SHA-256',
  { expected, actual }: { readonly expected: string; readonly actual: string },
): ScrapeNestError {
  const message = `Expected an artifact with the ${property} ${expected}, got ${actual}.`
  return new ScrapeNestError({ code: 'integrity_mismatch', message })
}

import { createHash } from 'node:crypto'
import { isScrapeNestError, ScrapeNestError } from '../errors.ts'
import { withRetries } from '../request/retry.ts'
import { retryAfterSecondsOf } from '../request/retry-after.ts'
import { reasonOf } from '../request/system-code.ts'
import type { ArtifactLocator, LocatedArtifact } from './artifact-locator.ts'
import { type Decoder, decode, parseContentEncoding } from './content-coding.ts'
import { type DownloadRules, type OpenedUrl, openUrl } from './open-url.ts'

export interface DownloadProgress {
  readonly receivedBytes: number
  /** Present if the server declared it. */
  readonly totalBytes: number | undefined
}

/** Receives the bytes. They become visible with `commit`. */
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

interface Download<Output> {
  readonly located: LocatedArtifact
  readonly createSink: () => Promise<Sink<Output>>
  readonly settings: DownloadSettings
}

interface Downloaded<Output> {
  readonly output: Output
  readonly byteLength: number
  readonly sha256: string
  readonly contentType: string | undefined
}

/** Statuses of an expired or modified URL: S3 returns 403, Google 400, others 401 or 410. */
const expiredStatuses: ReadonlySet<number> = new Set([400, 401, 403, 410])

/** Downloads an artifact to a sink. An expired URL is renewed once, unless only the URL is known. */
export async function downloadTo<Output>(
  createSink: () => Promise<Sink<Output>>,
  locator: ArtifactLocator,
  settings: DownloadSettings,
): Promise<Downloaded<Output>> {
  const { signal } = settings
  signal?.throwIfAborted()
  const first = await downloadWithRetries({ located: await locator.locate({ signal }), createSink, settings })
  if (!(first instanceof ExpiredUrl)) return first
  if (locator.renew === undefined) {
    throw urlExpired(first, 'To have expired URLs renewed, pass the whole event or the artifact id.')
  }
  const second = await downloadWithRetries({ located: await locator.renew({ signal }), createSink, settings })
  if (!(second instanceof ExpiredUrl)) return second
  throw urlExpired(second, 'The renewed URL was refused as well.')
}

/** A result rather than an error, because the URL may be renewable. */
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

function downloadWithRetries<Output>(download: Download<Output>): Promise<Downloaded<Output> | ExpiredUrl> {
  const { maxRetries, signal } = download.settings
  return withRetries({ maxRetries, idempotent: true, signal }, (attempts) => attemptDownload(download, attempts))
}

async function attemptDownload<Output>(
  download: Download<Output>,
  attempts: number,
): Promise<Downloaded<Output> | ExpiredUrl> {
  const { located, createSink, settings } = download
  const opened = await openUrl(located.url, { ...settings, attempts })
  try {
    const { host } = new URL(located.url)
    if (expiredStatuses.has(opened.status)) return new ExpiredUrl(host, opened.status)
    if (opened.status !== 200) throw downloadFailed(opened, { host, attempts })
    // Parsed before the file is created, because an unsupported coding must not leave a file.
    const decoders = parseContentEncoding(opened.headers['content-encoding'])
    return await receive(await createSink(), { opened, decoders, located, settings })
  } finally {
    opened.close()
  }
}

function downloadFailed(
  { status, headers }: OpenedUrl,
  { host, attempts }: { readonly host: string; readonly attempts: number },
): ScrapeNestError {
  const header = (name: string): string | null => headers[name]?.toString() ?? null
  return new ScrapeNestError({
    code: 'download_failed',
    message: `${host} returned ${status} for the download.`,
    status,
    attempts,
    retryAfterSeconds: retryAfterSecondsOf(header, Date.now()),
  })
}

interface IncomingArtifact {
  readonly opened: OpenedUrl
  readonly decoders: readonly Decoder[]
  readonly located: LocatedArtifact
  readonly settings: DownloadSettings
}

async function receive<Output>(sink: Sink<Output>, artifact: IncomingArtifact): Promise<Downloaded<Output>> {
  const { opened, located, settings } = artifact
  const { maxBytes } = settings
  const hash = createHash('sha256')
  const totalBytes = declaredLength(artifact) ?? located.byteLength
  let receivedBytes = 0
  try {
    if (totalBytes !== undefined && totalBytes > maxBytes) throw tooLarge(maxBytes)
    for await (const chunk of decodedBytes(artifact)) {
      receivedBytes += chunk.byteLength
      if (receivedBytes > maxBytes) throw tooLarge(maxBytes)
      hash.update(chunk)
      await sink.write(chunk)
      settings.onProgress?.({ receivedBytes, totalBytes })
    }
    settings.signal?.throwIfAborted()
    const sha256 = hash.digest('hex')
    checkIntegrity({ byteLength: receivedBytes, sha256 }, [located, { sha256: settings.sha256 }])
    const contentType = opened.headers['content-type']
    return { output: await sink.commit(), byteLength: receivedBytes, sha256, contentType }
  } catch (error) {
    await sink.discard()
    throw error
  }
}

/** The length of the received bytes. For an encoded body, only the encoded length is declared. */
function declaredLength({ opened, decoders }: IncomingArtifact): number | undefined {
  const length = opened.headers['content-length']
  return length === undefined || decoders.length > 0 ? undefined : Number(length)
}

async function* decodedBytes({ opened, decoders, settings }: IncomingArtifact): AsyncGenerator<Uint8Array, void, void> {
  if (decoders.length === 0) return yield* opened.bytes
  try {
    yield* decode(limitEncoded(opened.bytes, settings.maxBytes), decoders)
  } catch (cause) {
    settings.signal?.throwIfAborted()
    // Connection errors have been converted already, so any other error is zlib's.
    throw isScrapeNestError(cause) ? cause : decodingFailed(opened.headers['content-encoding'] ?? '', cause)
  }
}

/**
 * An endless encoded body can decode to no bytes at all, so its length is limited too. No coding doubles the length of a
 * body.
 */
async function* limitEncoded(
  bytes: AsyncGenerator<Uint8Array, void, void>,
  maxBytes: number,
): AsyncGenerator<Uint8Array, void, void> {
  let encodedBytes = 0
  for await (const chunk of bytes) {
    encodedBytes += chunk.byteLength
    if (encodedBytes > 2 * maxBytes + 1024) throw tooLarge(maxBytes)
    yield chunk
  }
}

function tooLarge(maxBytes: number): ScrapeNestError {
  const message = `The artifact is longer than ${maxBytes} bytes.`
  return new ScrapeNestError({ code: 'download_too_large', message, maxBytes })
}

function decodingFailed(header: string, cause: unknown): ScrapeNestError {
  const contentEncoding = header.slice(0, 100)
  const message = `The artifact cannot be decoded as ${contentEncoding}: ${reasonOf(cause)}.`
  return new ScrapeNestError({ code: 'content_decoding_failed', message, contentEncoding, cause })
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
  const message = `Expected an artifact with the ${property} ${expected}, got ${actual}. Download it again.`
  return new ScrapeNestError({ code: 'integrity_mismatch', message })
}

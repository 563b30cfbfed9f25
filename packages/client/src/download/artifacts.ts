import { checkKnownOptions, checkWholeNumber } from '@scrapenest-webhooks/core/adapter'
import { type ArtifactUrl, fetchArtifactUrl } from '../api/artifact-url.ts'
import type { ApiConnection, CallOptions } from '../api/connection.ts'
import type { Jobs } from '../api/jobs.ts'
import { type ArtifactSource, createArtifactLocator } from './artifact-locator.ts'
import { type DownloadProgress, downloadTo } from './download.ts'
import { PartialFile } from './partial-file.ts'
import { checkSha256 } from './sha256.ts'

/** What may be said of every download, and once for all in the options of the client. */
export interface DownloadDefaults {
  /** Takes private, loopback and link-local addresses: for a simulator on this machine. @default false */
  readonly allowPrivateAddresses?: boolean | undefined
  /** Takes plain `http:`: for a simulator on this machine. @default false */
  readonly allowInsecure?: boolean | undefined
}

export interface ReadOptions extends DownloadDefaults, CallOptions {
  /** Longer artifacts are refused. @default 1 GiB for a file, 64 MiB for bytes and text */
  readonly maxBytes?: number | undefined
  /** What the bytes must have, in hex or base64. @default what ScrapeNest says of the artifact, where it is known */
  readonly sha256?: string | undefined
  /** Told after each chunk. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined
}

export interface DownloadOptions extends ReadOptions {
  /** The file to write. Its directory is made where it is missing, and a file that is there is replaced at the end. */
  readonly to: string
}

export interface DownloadedFile {
  /** Absolute. */
  readonly path: string
  readonly byteLength: number
  /** In lower-case hex. */
  readonly sha256: string
  readonly contentType: string | undefined
}

export interface ArtifactsSettings extends DownloadDefaults {
  readonly timeoutMs: number
  readonly maxRetries: number
}

const readOptions = {
  allowInsecure: true,
  allowPrivateAddresses: true,
  maxBytes: true,
  onProgress: true,
  sha256: true,
  signal: true,
} as const satisfies Record<keyof ReadOptions, true>

/** `client.artifacts`: the bytes of what jobs produced. */
export class Artifacts {
  readonly #connection: ApiConnection
  readonly #jobs: Jobs
  readonly #settings: ArtifactsSettings

  constructor(connection: ApiConnection, { jobs, ...settings }: ArtifactsSettings & { readonly jobs: Jobs }) {
    this.#connection = connection
    this.#jobs = jobs
    this.#settings = settings
  }

  /** A URL that gives the artifact's bytes for a time, without the API key. */
  getDownloadUrl(
    artifactId: string,
    options?: CallOptions & { readonly ttl_seconds?: number | undefined },
  ): Promise<ArtifactUrl> {
    return fetchArtifactUrl(this.#connection, artifactId, options)
  }

  /**
   * Downloads an artifact to a file, which is there whole or not at all: the bytes go to a temporary name beside it,
   * are made durable, checked, and then renamed. An expired URL is renewed, where there is more to go by than the URL.
   *
   * The URL comes from JSON that travelled: only https is taken and only addresses of the public internet, on each
   * redirect too, and the API key is never sent along.
   *
   * @param source the `artifact.ready` event, an artifact of a job, its id, or a `download_url`.
   * @throws {ScrapeNestError} `url_not_allowed`, `address_not_allowed`, `too_many_redirects`, `download_url_expired`,
   * `download_failed`, `download_too_large`, `integrity_mismatch`, `artifact_not_found`, `connection_failed`,
   * `request_timeout`, `file_write_failed`, or an error of the API; the signal's reason when aborted.
   *
   * @example
   * await client.artifacts.download(event, { to: `data/${event.data.job_id}.png` })
   */
  async download(source: ArtifactSource, options: DownloadOptions): Promise<DownloadedFile> {
    checkKnownOptions(options, { ...readOptions, to: true })
    const { to, ...read } = options
    const result = await downloadTo(
      () => PartialFile.create(to),
      this.#locator(source),
      this.#settled(read, 1024 * 1024 * 1024),
    )
    const { output: path, ...facts } = result
    return { path, ...facts }
  }

  /** The artifact's bytes, in memory. @throws {ScrapeNestError} as `download` */
  async downloadBytes(source: ArtifactSource, options: ReadOptions = {}): Promise<Uint8Array> {
    checkKnownOptions(options, readOptions)
    const settings = this.#settled(options, 64 * 1024 * 1024)
    const { output } = await downloadTo(async () => new MemorySink(), this.#locator(source), settings)
    return output
  }

  /** The artifact as text. @param options.encoding as `TextDecoder` knows it. Default `utf-8`. */
  async downloadText(
    source: ArtifactSource,
    { encoding = 'utf-8', ...options }: ReadOptions & { readonly encoding?: string } = {},
  ): Promise<string> {
    return new TextDecoder(encoding).decode(await this.downloadBytes(source, options))
  }

  #locator(source: ArtifactSource) {
    return createArtifactLocator(source, { connection: this.#connection, jobs: this.#jobs })
  }

  #settled(options: ReadOptions, defaultMaxBytes: number) {
    const { timeoutMs, maxRetries, ...defaults } = this.#settings
    return {
      timeoutMs,
      maxRetries,
      allowPrivateAddresses: options.allowPrivateAddresses ?? defaults.allowPrivateAddresses ?? false,
      allowInsecure: options.allowInsecure ?? defaults.allowInsecure ?? false,
      maxBytes: checkWholeNumber('maxBytes', options.maxBytes ?? defaultMaxBytes, { min: 1 }),
      sha256: options.sha256 === undefined ? undefined : checkSha256(options.sha256),
      onProgress: options.onProgress,
      signal: options.signal,
    }
  }
}

class MemorySink {
  readonly #chunks: Uint8Array[] = []

  async write(chunk: Uint8Array): Promise<void> {
    this.#chunks.push(chunk)
  }

  async commit(): Promise<Uint8Array> {
    return new Uint8Array(Buffer.concat(this.#chunks))
  }

  async discard(): Promise<void> {}
}

import { checkKnownOptions, checkWholeNumber } from '@scrapenest-webhooks/core/adapter'
import { type ArtifactUrl, type ArtifactUrlOptions, getArtifactUrl } from '../api/artifact-url.ts'
import type { ApiConnection, CallOptions } from '../api/connection.ts'
import type { Jobs } from '../api/jobs.ts'
import { type ArtifactSource, createArtifactLocator } from './artifact-locator.ts'
import { type DownloadProgress, downloadTo } from './download.ts'
import { PartialFile } from './partial-file.ts'
import { checkSha256 } from './sha256.ts'
import { confineTargetPath } from './target-path.ts'

/** Options of each download. Their defaults are set on the client. */
export interface DownloadDefaults {
  /** Allows private, loopback and link-local addresses, for a simulator on this machine. @default false */
  readonly allowPrivateAddresses?: boolean | undefined
  /** Allows plain `http:`, for a simulator on this machine. @default false */
  readonly allowInsecure?: boolean | undefined
}

export interface ReadOptions extends DownloadDefaults, CallOptions {
  /** Maximum length of the artifact, in bytes. @default 1 GiB for a file, 64 MiB for bytes and text */
  readonly maxBytes?: number | undefined
  /** The expected SHA-256, in hex or base64. @default the hash that ScrapeNest states for the artifact, if known */
  readonly sha256?: string | undefined
  /** Called after each chunk. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined
}

export interface DownloadOptions extends ReadOptions {
  /**
   * The file to write. A missing directory is created. An existing file is replaced at the end and keeps its mode. A new
   * file is readable by its owner only. Symbolic links are followed. A relative path is confined to its
   * first directory: a later `..` cannot leave it, because the rest of the path may come from an event.
   */
  readonly to: string
}

export interface DownloadedFile {
  /** The absolute path. */
  readonly path: string
  readonly byteLength: number
  /** Lower-case hex. */
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

/** `client.artifacts`: downloads the artifacts of jobs. */
export class Artifacts {
  readonly #connection: ApiConnection
  readonly #jobs: Jobs
  readonly #settings: ArtifactsSettings

  constructor(connection: ApiConnection, { jobs, ...settings }: ArtifactsSettings & { readonly jobs: Jobs }) {
    this.#connection = connection
    this.#jobs = jobs
    this.#settings = settings
  }

  /** Requests a temporary URL for the artifact's bytes, which needs no API key. */
  getDownloadUrl(artifactId: string, options?: ArtifactUrlOptions): Promise<ArtifactUrl> {
    return getArtifactUrl(this.#connection, artifactId, options)
  }

  /**
   * Downloads an artifact to a file that is either complete or absent: the bytes are written under a temporary name next to
   * it, checked, flushed to disk, and then renamed. An expired URL is renewed, unless `source` is only a URL.
   *
   * The URL comes from outside, so only https and public internet addresses are allowed, also on redirects, and the API key
   * is never sent to it.
   *
   * @param source the `artifact.ready` event, an artifact of a job, its id, or a `download_url`.
   * @throws {ScrapeNestError} `url_not_allowed`, `address_not_allowed`, `too_many_redirects`, `download_url_expired`,
   * `download_failed`, `download_too_large`, `content_coding_unsupported`, `content_decoding_failed`, `integrity_mismatch`,
   * `artifact_not_found`, `connection_failed`, `request_timeout`, `file_write_failed`, or a code of the API.
   * @throws {ConfigurationError} `configuration_invalid`: an option.
   * @throws the signal's reason when aborted.
   *
   * @example
   * // Escaped, because text from an event must not lead to another directory.
   * await client.artifacts.download(event, { to: `data/${encodeURIComponent(event.data.job_id)}.png` })
   */
  async download(source: ArtifactSource, options: DownloadOptions): Promise<DownloadedFile> {
    const own = checkKnownOptions(options, { ...readOptions, to: true })
    const settings = this.#downloadSettings(own, 1024 * 1024 * 1024)
    const to = confineTargetPath(own.to)
    const result = await downloadTo(() => PartialFile.create(to), this.#locator(source), settings)
    const { output: path, ...facts } = result
    return { path, ...facts }
  }

  /** Downloads an artifact to memory. @throws {ScrapeNestError} like `download` */
  async downloadBytes(source: ArtifactSource, options: ReadOptions = {}): Promise<Uint8Array> {
    const settings = this.#downloadSettings(checkKnownOptions(options, readOptions), 64 * 1024 * 1024)
    const { output } = await downloadTo(async () => new MemorySink(), this.#locator(source), settings)
    return output
  }

  /**
   * Downloads an artifact as text.
   *
   * @param options.encoding a label that `TextDecoder` supports. Default: `utf-8`.
   * @throws {ScrapeNestError} like `download`
   */
  async downloadText(
    source: ArtifactSource,
    { encoding = 'utf-8', ...options }: ReadOptions & { readonly encoding?: string | undefined } = {},
  ): Promise<string> {
    return new TextDecoder(encoding).decode(await this.downloadBytes(source, options))
  }

  #locator(source: ArtifactSource) {
    return createArtifactLocator(source, { connection: this.#connection, jobs: this.#jobs })
  }

  #downloadSettings(options: ReadOptions, defaultMaxBytes: number) {
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

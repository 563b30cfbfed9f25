import { getArtifactUrl } from '../api/artifact-url.ts'
import type { ApiConnection, CallOptions } from '../api/connection.ts'
import type { Artifact, Jobs } from '../api/jobs.ts'
import { ScrapeNestError } from '../errors.ts'
import { parseSha256 } from './sha256.ts'

/** An `artifact.ready` event. Only these fields are read. */
export interface ArtifactEvent {
  readonly data: { readonly job_id: string; readonly artifact_type: string; readonly download_url: string }
}

/**
 * What to download: a `download_url`, an artifact's id, the event that announced it, or the artifact from a job. If only the
 * URL is given, it cannot be renewed after it expires.
 */
export type ArtifactSource = string | URL | ArtifactEvent | Artifact

/** An artifact's URL, and the known facts about its bytes. */
export interface LocatedArtifact {
  readonly url: string
  readonly byteLength?: number | undefined
  readonly sha256?: string | undefined
}

/** Finds the URL of an artifact, and a new URL after it expires. */
export interface ArtifactLocator {
  locate(options: CallOptions): Promise<LocatedArtifact>
  /** Absent if only the URL is known. */
  readonly renew?: (options: CallOptions) => Promise<LocatedArtifact>
}

export function createArtifactLocator(
  source: ArtifactSource,
  { connection, jobs }: { readonly connection: ApiConnection; readonly jobs: Jobs },
): ArtifactLocator {
  // By its field: a URL from another realm (Jest, jsdom) has another constructor.
  if (typeof source === 'object' && 'href' in source) return { locate: async () => ({ url: source.href }) }
  if (typeof source === 'string') {
    if (/^[a-z][a-z0-9+.-]*:\/\//i.test(source)) return { locate: async () => ({ url: source }) }
    const locate = async (options: CallOptions) => locateById(connection, source, options)
    return { locate, renew: locate }
  }
  if ('data' in source) {
    const { data } = source
    return {
      locate: async () => ({ url: data.download_url }),
      renew: async (options) => {
        const job = await jobs.get(data.job_id, { ...options, include_download_urls: true })
        return locateListed(connection, pickArtifact(job.artifacts, data), options)
      },
    }
  }
  return {
    locate: async (options) => locateListed(connection, source, options),
    renew: async (options) => ({ ...factsOf(source), ...(await locateById(connection, source.artifact_id, options)) }),
  }
}

async function locateById(
  connection: ApiConnection,
  artifactId: string,
  options: CallOptions,
): Promise<LocatedArtifact> {
  const { download_url } = await getArtifactUrl(connection, artifactId, options)
  return { url: download_url }
}

async function locateListed(
  connection: ApiConnection,
  artifact: Artifact,
  options: CallOptions,
): Promise<LocatedArtifact> {
  if (artifact.download_url) return { ...factsOf(artifact), url: artifact.download_url }
  return { ...factsOf(artifact), ...(await locateById(connection, artifact.artifact_id, options)) }
}

function factsOf({ byte_size, content_hash }: Artifact): Omit<LocatedArtifact, 'url'> {
  return {
    // ScrapeNest's SDK treats a missing size as 0.
    byteLength: byte_size === 0 ? undefined : byte_size,
    sha256: content_hash === undefined || content_hash === null ? undefined : readContentHash(content_hash),
  }
}

/** @throws {ScrapeNestError} `integrity_mismatch`: a hash in another format must not count as a match. */
function readContentHash(contentHash: string): string {
  const sha256 = parseSha256(contentHash)
  if (sha256 !== undefined) return sha256
  const shown = JSON.stringify(contentHash).slice(0, 100)
  const message = `The artifact's content_hash is ${shown}, which is not a SHA-256. To download it unchecked, pass its id.`
  throw new ScrapeNestError({ code: 'integrity_mismatch', message })
}

/**
 * The event contains the artifact's type. If the job has several of that type, picks one by its URL without the signature.
 */
function pickArtifact(
  all: readonly Artifact[],
  { job_id, artifact_type, download_url }: ArtifactEvent['data'],
): Artifact {
  const ofType = all.filter((artifact) => artifact.artifact_type === artifact_type)
  const [only] = ofType
  if (ofType.length === 1 && only !== undefined) return only
  const same = ofType.find((artifact) => artifact.download_url && isSameFile(artifact.download_url, download_url))
  if (same !== undefined) return same
  const message =
    ofType.length === 0
      ? `Job ${job_id} has no artifact of the type ${artifact_type}. Its retention period may have ended.`
      : `Job ${job_id} has ${ofType.length} artifacts of the type ${artifact_type}, and none has the URL in the event. ` +
        'Download it by its artifact_id.'
  throw new ScrapeNestError({ code: 'artifact_not_found', message })
}

/** Whether two URLs are equal except for the query, which contains the signature. */
function isSameFile(one: string, other: string): boolean {
  if (!URL.canParse(one) || !URL.canParse(other)) return false
  const [first, second] = [new URL(one), new URL(other)]
  return first.origin === second.origin && first.pathname === second.pathname
}

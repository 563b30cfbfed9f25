import { fetchArtifactUrl } from '../api/artifact-url.ts'
import type { ApiConnection, CallOptions } from '../api/connection.ts'
import type { Artifact, Jobs } from '../api/jobs.ts'
import { ArtifactNotFoundError } from '../errors.ts'
import { parseSha256 } from './sha256.ts'

/** An `artifact.ready` event; only these fields of it are looked at. */
export interface ArtifactEvent {
  readonly data: { readonly job_id: string; readonly artifact_type: string; readonly download_url: string }
}

/**
 * What can be downloaded: a `download_url`, an artifact's id, the event that announced it, or the artifact as a job
 * lists it. A URL on its own cannot be renewed when it has expired.
 */
export type ArtifactSource = string | URL | ArtifactEvent | Artifact

/** Where an artifact is, and what is known of its bytes. */
export interface LocatedArtifact {
  readonly url: string
  readonly byteLength?: number | undefined
  readonly sha256?: string | undefined
}

/** Finds the URL of an artifact, and a new one when it has expired. */
export interface ArtifactLocator {
  locate(options: CallOptions): Promise<LocatedArtifact>
  /** Absent where nothing is known but the URL. */
  readonly renew?: (options: CallOptions) => Promise<LocatedArtifact>
}

export function createArtifactLocator(
  source: ArtifactSource,
  { connection, jobs }: { readonly connection: ApiConnection; readonly jobs: Jobs },
): ArtifactLocator {
  if (source instanceof URL) return { locate: async () => ({ url: source.href }) }
  if (typeof source === 'string') {
    if (/^[a-z][a-z0-9+.-]*:\/\//i.test(source)) return { locate: async () => ({ url: source }) }
    const locate = async (options: CallOptions) => urlById(connection, source, options)
    return { locate, renew: locate }
  }
  if ('data' in source) {
    const { data } = source
    return {
      locate: async () => ({ url: data.download_url }),
      renew: async (options) => {
        const job = await jobs.get(data.job_id, { ...options, include_download_urls: true })
        return urlOf(connection, pickArtifact(job.artifacts, data), options)
      },
    }
  }
  return {
    locate: async (options) => urlOf(connection, source, options),
    renew: async (options) => ({ ...factsOf(source), ...(await urlById(connection, source.artifact_id, options)) }),
  }
}

async function urlById(connection: ApiConnection, artifactId: string, options: CallOptions): Promise<LocatedArtifact> {
  const { download_url } = await fetchArtifactUrl(connection, artifactId, options)
  return { url: download_url }
}

async function urlOf(connection: ApiConnection, artifact: Artifact, options: CallOptions): Promise<LocatedArtifact> {
  if (artifact.download_url) return { ...factsOf(artifact), url: artifact.download_url }
  return { ...factsOf(artifact), ...(await urlById(connection, artifact.artifact_id, options)) }
}

function factsOf({ byte_size, content_hash }: Artifact): Omit<LocatedArtifact, 'url'> {
  return {
    // 0 is what ScrapeNest's SDK takes a missing size for.
    byteLength: byte_size === 0 ? undefined : byte_size,
    sha256: content_hash ? parseSha256(content_hash) : undefined,
  }
}

/** The event names a type; where a job has several of it, the URL without its signature tells which. */
function pickArtifact(all: readonly Artifact[], { job_id, artifact_type, download_url }: ArtifactEvent['data']) {
  const ofType = all.filter((artifact) => artifact.artifact_type === artifact_type)
  const [only] = ofType
  if (ofType.length === 1 && only !== undefined) return only
  const same = ofType.find((artifact) => artifact.download_url && withoutQuery(artifact.download_url, download_url))
  if (same !== undefined) return same
  throw new ArtifactNotFoundError(
    ofType.length === 0
      ? `Job ${job_id} has no ${artifact_type} any more. Has its retention time passed?`
      : `Job ${job_id} has ${ofType.length} artifacts of the type ${artifact_type}, and none can be told to be this one. ` +
          'Download it by its artifact_id.',
  )
}

function withoutQuery(one: string, other: string): boolean {
  if (!URL.canParse(one) || !URL.canParse(other)) return false
  const [first, second] = [new URL(one), new URL(other)]
  return first.origin === second.origin && first.pathname === second.pathname
}

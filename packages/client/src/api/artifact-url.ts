import type { ApiConnection, CallOptions } from './connection.ts'
import { path } from './path.ts'
import { expectFields } from './response.ts'

export interface ArtifactUrl {
  readonly artifact_id: string
  /** A credential: anyone who has it can download the artifact. */
  readonly download_url: string
  readonly expires_at?: string
}

export interface ArtifactUrlOptions extends CallOptions {
  /** How long the URL is valid, in seconds. */
  readonly ttl_seconds?: number | undefined
}

/** Requests a temporary URL for the artifact's bytes, which needs no API key. */
export async function getArtifactUrl(
  connection: ApiConnection,
  artifactId: string,
  { ttl_seconds, signal }: ArtifactUrlOptions = {},
): Promise<ArtifactUrl> {
  const call = { method: 'GET', path: path`/v1/artifacts/${artifactId}/download`, idempotent: true } as const
  return expectFields<ArtifactUrl>(await connection.send({ ...call, query: { ttl_seconds }, signal }), ['download_url'])
}

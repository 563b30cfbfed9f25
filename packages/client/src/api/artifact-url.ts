import { type ApiConnection, type CallOptions, path } from './connection.ts'
import { expectFields } from './response-fields.ts'

export interface ArtifactUrl {
  readonly artifact_id: string
  /** A credential: anyone who has it can download the artifact. */
  readonly download_url: string
  readonly expires_at?: string
}

/** Asks the API for a URL that returns the artifact's bytes for a while, without the API key. */
export async function fetchArtifactUrl(
  connection: ApiConnection,
  artifactId: string,
  { ttl_seconds, signal }: CallOptions & { readonly ttl_seconds?: number | undefined } = {},
): Promise<ArtifactUrl> {
  const call = { method: 'GET', path: path`/v1/artifacts/${artifactId}/download`, repeatable: true } as const
  const answer = await connection.send({ ...call, query: { ttl_seconds }, signal })
  return expectFields<ArtifactUrl>(answer, ['download_url'])
}

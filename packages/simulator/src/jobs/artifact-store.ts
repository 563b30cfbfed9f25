import { createHash, createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'

export interface StoredArtifact {
  readonly id: string
  readonly type: string
  readonly contentType: string
  readonly bytes: Uint8Array
  readonly createdAt: Date
}

export interface PresignedUrl {
  readonly download_url: string
  readonly expires_at: string
}

const maxTtlSeconds = 24 * 60 * 60

/** The artifacts of all jobs, and the presigned URLs that serve them for a limited time. */
export class ArtifactStore {
  /** The origin of presigned URLs. Set once the server listens. */
  origin = ''
  readonly #artifacts = new Map<string, StoredArtifact>()
  readonly #key = randomBytes(32)
  readonly #defaultTtlSeconds: number

  constructor({ urlTtlSeconds }: { readonly urlTtlSeconds: number }) {
    this.#defaultTtlSeconds = urlTtlSeconds
  }

  add(type: string, contentType: string, content: string | Uint8Array): StoredArtifact {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content
    const artifact = { id: randomUUID(), type, contentType, bytes, createdAt: new Date() }
    this.#artifacts.set(artifact.id, artifact)
    return artifact
  }

  get(id: string): StoredArtifact | undefined {
    return this.#artifacts.get(id)
  }

  remove(id: string): void {
    this.#artifacts.delete(id)
  }

  presign(id: string, ttlSeconds: number = this.#defaultTtlSeconds): PresignedUrl {
    const expiresAtMs = Date.now() + Math.min(ttlSeconds, maxTtlSeconds) * 1000
    const url = `${this.origin}/storage/${id}?expires=${expiresAtMs}&signature=${this.#sign(id, expiresAtMs)}`
    return { download_url: url, expires_at: new Date(expiresAtMs).toISOString() }
  }

  /** Looks up a presigned URL. `expired` also means that the URL was modified. */
  open(id: string, query: URLSearchParams): StoredArtifact | 'expired' | undefined {
    const expiresAtMs = Number(query.get('expires'))
    const given = Buffer.from(query.get('signature') ?? '')
    const expected = Buffer.from(this.#sign(id, expiresAtMs))
    const isSigned = given.length === expected.length && timingSafeEqual(given, expected)
    if (!isSigned || !(expiresAtMs > Date.now())) return 'expired'
    return this.#artifacts.get(id)
  }

  #sign(id: string, expiresAtMs: number): string {
    return createHmac('sha256', this.#key).update(`${id}.${expiresAtMs}`).digest('hex')
  }
}

/** The artifact as returned by the API. */
export function describeArtifact(artifact: StoredArtifact, presigned?: PresignedUrl): Record<string, unknown> {
  return {
    artifact_id: artifact.id,
    artifact_type: artifact.type,
    byte_size: artifact.bytes.byteLength,
    content_hash: createHash('sha256').update(artifact.bytes).digest('hex'),
    created_at: artifact.createdAt.toISOString(),
    download_url: null,
    expires_at: null,
    ...presigned,
  }
}

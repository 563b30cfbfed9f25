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

/** The artifacts of all jobs, and the presigned URLs that give their bytes for a time. */
export class StoredArtifacts {
  readonly #all = new Map<string, StoredArtifact>()
  readonly #key = randomBytes(32)
  readonly #origin: () => string
  readonly #defaultTtlSeconds: number

  constructor({ origin, ttlSeconds }: { readonly origin: () => string; readonly ttlSeconds: number }) {
    this.#origin = origin
    this.#defaultTtlSeconds = ttlSeconds
  }

  add(type: string, contentType: string, content: string | Uint8Array): StoredArtifact {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content
    const artifact = { id: randomUUID(), type, contentType, bytes, createdAt: new Date() }
    this.#all.set(artifact.id, artifact)
    return artifact
  }

  get(id: string): StoredArtifact | undefined {
    return this.#all.get(id)
  }

  remove(id: string): void {
    this.#all.delete(id)
  }

  presign(id: string, ttlSeconds: number = this.#defaultTtlSeconds): PresignedUrl {
    const expiresMs = Date.now() + Math.min(ttlSeconds, maxTtlSeconds) * 1000
    const url = `${this.#origin()}/storage/${id}?expires=${expiresMs}&signature=${this.#sign(id, expiresMs)}`
    return { download_url: url, expires_at: new Date(expiresMs).toISOString() }
  }

  /** The artifact of a presigned URL; `expired` also where the URL was altered. */
  open(id: string, query: URLSearchParams): StoredArtifact | 'expired' | undefined {
    const expiresMs = Number(query.get('expires'))
    const given = Buffer.from(query.get('signature') ?? '')
    const expected = Buffer.from(this.#sign(id, expiresMs))
    const isSigned = given.length === expected.length && timingSafeEqual(given, expected)
    if (!isSigned || !(expiresMs > Date.now())) return 'expired'
    return this.#all.get(id)
  }

  #sign(id: string, expiresMs: number): string {
    return createHmac('sha256', this.#key).update(`${id}.${expiresMs}`).digest('hex')
  }
}

/** As the API lists it. */
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

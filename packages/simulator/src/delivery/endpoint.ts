import { randomUUID } from 'node:crypto'
import { generateSecret, type Secret } from '@scrapenest-webhooks/core'

export interface EndpointSettings {
  readonly name: string
  readonly url: string
  readonly enabled_events?: readonly string[] | undefined
  readonly description?: string | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly retry_config?: Readonly<Record<string, unknown>> | undefined
}

interface SigningSecret {
  readonly secret: Secret
  /** Absent for the current secret. */
  readonly retiresAtMs?: number
}

/** A registered webhook endpoint and its secrets. */
export class Endpoint {
  readonly id: string = `ep_${randomUUID().replaceAll('-', '')}`
  readonly createdAt: Date = new Date()
  settings: EndpointSettings
  updatedAt: Date = this.createdAt
  status: 'active' | 'paused' | 'deleted' = 'active'
  consecutiveFailures = 0
  #secrets: readonly SigningSecret[]

  constructor(settings: EndpointSettings, secret: Secret = generateSecret()) {
    this.settings = settings
    this.#secrets = [{ secret }]
  }

  get secret(): Secret {
    return this.#secrets[0]?.secret ?? ''
  }

  /** The secrets that currently sign, newest first: one, or several during a rotation. */
  signingSecrets(): readonly Secret[] {
    const nowMs = Date.now()
    return this.#secrets.filter(({ retiresAtMs = Infinity }) => retiresAtMs > nowMs).map(({ secret }) => secret)
  }

  /** Replaces the secret. The old one keeps signing for `overlapMs`. */
  rotate(overlapMs: number): void {
    const nowMs = Date.now()
    const earlier = this.#secrets
      .map(({ secret, retiresAtMs = nowMs + overlapMs }) => ({ secret, retiresAtMs }))
      .filter(({ retiresAtMs }) => retiresAtMs > nowMs)
    this.#secrets = [{ secret: generateSecret() }, ...earlier]
  }

  isSubscribedTo(eventType: string): boolean {
    const { enabled_events } = this.settings
    return this.status === 'active' && (enabled_events === undefined || enabled_events.includes(eventType))
  }

  /** The endpoint as returned by the API. Its id is called `id` in ScrapeNest's guide and `endpoint_id` in the SDK. */
  describe(): Record<string, unknown> {
    const { name, url, enabled_events, description = null, metadata = {}, retry_config = null } = this.settings
    return {
      endpoint_id: this.id,
      id: this.id,
      name,
      url,
      status: this.status,
      ...(enabled_events !== undefined && { enabled_events }),
      secret_prefix: this.secret.slice(0, 10),
      created_at: this.createdAt.toISOString(),
      updated_at: this.updatedAt.toISOString(),
      description,
      metadata,
      retry_config,
      consecutive_failures: this.consecutiveFailures,
      last_health_status: null,
      last_health_checked_at: null,
    }
  }
}

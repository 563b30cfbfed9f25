import type { InboxEvent } from '@scrapenest-webhooks/core'
import type { Lease } from '@scrapenest-webhooks/inbox/engine'
import type { JobAttempt } from 'pg-boss'

/** The lease of a claimed job: its id says whose job it is, its token which of its attempts. */
export function leaseOf(name: string, { id, retryCount }: JobAttempt): Lease {
  return { id: `${name}/${id}`, token: String(retryCount) }
}

/** The receiver's name in a lease. A name holds no slash. */
export function nameOf({ id }: Lease): string {
  return id.slice(0, id.indexOf('/'))
}

/** What pg-boss fences an attempt by: its count of retries names the claim. */
export function attemptOf({ id, token }: Lease): JobAttempt {
  return { id: id.slice(id.indexOf('/') + 1), retryCount: Number(token) }
}

export interface HeldClaim {
  readonly lease: Lease
  readonly event: InboxEvent
  readonly replays: number
  /** Whether the handler has put the completion into a transaction of its own. */
  isCompleting: boolean
}

/** The claims of this process that have not ended. */
export class HeldClaims {
  readonly #claims = new Map<string, HeldClaim>()

  add(claim: HeldClaim): void {
    this.#claims.set(keyOf(claim.lease), claim)
  }

  of(lease: Lease): HeldClaim | undefined {
    return this.#claims.get(keyOf(lease))
  }

  /** By the very event that its handler was given. */
  ofEvent(event: InboxEvent): HeldClaim | undefined {
    return [...this.#claims.values()].find((claim) => claim.event === event)
  }

  release(lease: Lease): void {
    this.#claims.delete(keyOf(lease))
  }

  clear(): void {
    this.#claims.clear()
  }
}

function keyOf({ id, token }: Lease): string {
  return `${id} ${token}`
}

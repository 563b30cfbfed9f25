import type { InboxEvent } from '@scrapenest-webhooks/core'
import type { Lease } from '@scrapenest-webhooks/inbox/kit'
import type { JobAttempt } from 'pg-boss'

/** The lease of a claimed job. The id identifies the receiver and the job, the token identifies the attempt. */
export function leaseOf(name: string, { id, retryCount }: JobAttempt): Lease {
  return { id: `${name}/${id}`, token: String(retryCount) }
}

/** The receiver's name in a lease. Names contain no slash. */
export function nameOf({ id }: Lease): string {
  return id.slice(0, id.indexOf('/'))
}

/** The job and the retry count with which pg-boss fences an attempt. The retry count identifies the claim. */
export function attemptOf({ id, token }: Lease): JobAttempt {
  return { id: id.slice(id.indexOf('/') + 1), retryCount: Number(token) }
}

export interface HeldClaim {
  readonly lease: Lease
  readonly event: InboxEvent
  readonly replays: number
  /** Whether the handler has completed the event in its transaction. */
  isCompleting: boolean
}

/** Claims of this process that have not ended. */
export class HeldClaims {
  readonly #claims = new Map<string, HeldClaim>()

  add(claim: HeldClaim): void {
    this.#claims.set(keyOf(claim.lease), claim)
  }

  of(lease: Lease): HeldClaim | undefined {
    return this.#claims.get(keyOf(lease))
  }

  /** Finds a claim by the event object that the processor received. */
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

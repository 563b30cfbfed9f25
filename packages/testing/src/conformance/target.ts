import type { ReadyReceiver } from '@scrapenest-webhooks/core/adapter'
import type { Arrangement, Condition } from './conditions.ts'

/**
 * A host under test: Fastify, Koa, or a host with a custom adapter. It starts servers that pass deliveries for
 * `/webhooks/scrapenest` to a receiver, in one of three arrangements.
 */
export interface ConformanceTarget {
  readonly name: string
  /** Starts a server on a free port of 127.0.0.1, or returns why this host has no such arrangement. */
  listen(receiver: ReadyReceiver, arrangement: Arrangement): Promise<ConformanceServer | NotApplicable>
  /** Where this host answers before the receiver does, or changes the bytes. Every other reply must be the receiver's. */
  readonly exceptions?: readonly HostException[]
  /** How long to wait for a reply, in milliseconds. @default 5000 */
  readonly timeoutMs?: number
}

export interface ConformanceServer {
  readonly port: number
  close(): Promise<void>
}

export interface NotApplicable {
  readonly notApplicable: string
}

export interface HostException {
  readonly check: string
  readonly condition: Condition
  /** The status the host itself answers with; or, as text, why the check does not apply. */
  readonly because: number | string
}

/** The result of one check under one condition: who answered. */
export type ConformanceResult =
  | { readonly cell: 'ours' }
  | { readonly cell: 'host'; readonly status: number }
  | { readonly cell: 'not applicable'; readonly reason: string }

import type { ReadyReceiver } from '@scrapenest-webhooks/core/adapter'

/**
 * A host under test: Fastify, Koa, or a host with your own adapter. It starts servers that pass deliveries for
 * `/webhooks/scrapenest` to a receiver, in one of three arrangements.
 */
export interface ConformanceTarget {
  readonly name: string
  /** Starts a server on a free port of 127.0.0.1, or says why this host has no such arrangement. */
  listen(receiver: ReadyReceiver, arrangement: Arrangement): Promise<ConformanceServer | NotApplicable>
  /** Where this host answers before the receiver does, or changes the bytes. Every other reply must be the receiver's. */
  readonly exceptions?: readonly HostException[]
}

/**
 * What is registered before the webhook. `bare`: nothing. `parser first`: a parser of JSON, and perhaps of other types,
 * that keeps no bytes. `captured raw body`: a parser that keeps them, in the way the documentation of this host
 * recommends.
 */
export type Arrangement = 'bare' | 'parser first' | 'captured raw body'

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

/** How the host is set up, or how the delivery is sent. */
export type Condition = Arrangement | 'compressed' | 'chunked mid-code-point' | 'oversized' | 'slow' | 'aborted'

/** The result of one check under one condition: who answered. */
export type ConformanceResult =
  | { readonly cell: 'ours' }
  | { readonly cell: 'host'; readonly status: number }
  | { readonly cell: 'not applicable'; readonly reason: string }

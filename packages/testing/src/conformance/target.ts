import type { ReadyReceiver } from '@scrapenest-webhooks/core/adapter'

/**
 * A host under test: Fastify, Koa, or an adapter of yours. It makes a server that passes deliveries for
 * `/webhooks/scrapenest` to a receiver, in one of three arrangements.
 */
export interface ConformanceTarget {
  readonly name: string
  /** Starts a server on a free port of 127.0.0.1, or says why this host cannot be arranged so. */
  listen(receiver: ReadyReceiver, arrangement: Arrangement): Promise<ConformanceServer | NotApplicable>
  /** Where this host itself answers before the receiver is asked, or changes the bytes; anything else must be ours. */
  readonly exceptions?: readonly HostException[]
}

/**
 * What the host has registered before the webhook. `bare`: nothing. `parser first`: a JSON parser that keeps no bytes.
 * `captured raw body`: a JSON parser that keeps them, in the way this host's users are told to.
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
  /** The status the host answers with by itself; or, as text, why the check does not apply. */
  readonly because: number | string
}

/** How the host is arranged, or how the delivery is sent: every check is run under each of them. */
export type Condition = Arrangement | 'compressed' | 'chunked mid-code-point' | 'oversized' | 'slow' | 'aborted'

/** What came of one check under one condition. */
export type ConformanceResult =
  | { readonly cell: 'ours' }
  | { readonly cell: 'host'; readonly status: number }
  | { readonly cell: 'not applicable'; readonly reason: string }

import type { ReadyReceiver } from '@scrapenest-webhooks/core/adapter'
import type { Arrangement, Condition } from './conditions.ts'

/**
 * A host under test, such as Fastify or a host with a custom adapter. It starts servers that pass requests for
 * `/webhooks/scrapenest` to a receiver, in one of three arrangements.
 */
export interface ConformanceTarget {
  readonly name: string
  /** Starts a server on a free port of 127.0.0.1, or returns why this host lacks the arrangement. */
  listen(receiver: ReadyReceiver, arrangement: Arrangement): Promise<ConformanceServer | NotApplicable>
  /**
   * Where this host answers before the receiver does, or changes the bytes.
   * @default []: every reply must be the receiver's
   */
  readonly exceptions?: readonly HostException[]
  /**
   * How long to wait for a reply, in milliseconds.
   * @default 5000: a slower reply fails the check
   */
  readonly timeoutMs?: number
}

/** A running server. */
export interface ConformanceServer {
  readonly port: number
  /** Stops the server. Called after each check. */
  close(): Promise<void>
}

/** Why a host lacks an arrangement. */
export interface NotApplicable {
  readonly notApplicable: string
}

/** A check that the host itself answers under one condition, or that does not apply to it. */
export interface HostException {
  /** The id of the check. */
  readonly check: string
  readonly condition: Condition
  /** The status that the host itself answers, or the reason why the check does not apply. */
  readonly because: number | string
}

/** The result of one check under one condition: who answered. */
export type ConformanceResult =
  | { readonly cell: 'ours' }
  | { readonly cell: 'host'; readonly status: number }
  | { readonly cell: 'not applicable'; readonly reason: string }

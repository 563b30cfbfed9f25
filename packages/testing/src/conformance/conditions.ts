/**
 * What runs before the webhook. `bare`: nothing. `parser first`: a parser for JSON, and possibly other types, that keeps no
 * bytes. `captured raw body`: a parser that keeps them, as this library's documentation recommends for the host.
 */
export type Arrangement = 'bare' | 'parser first' | 'captured raw body'

/** How the host is set up, or how the delivery is sent to a `bare` host. */
export type Condition = Arrangement | 'compressed' | 'chunked mid-code-point' | 'oversized' | 'slow' | 'aborted'

/** Every check runs under each of these conditions. */
export const conditions: readonly Condition[] = [
  'bare',
  'parser first',
  'captured raw body',
  'compressed',
  'chunked mid-code-point',
  'oversized',
  'slow',
  'aborted',
]

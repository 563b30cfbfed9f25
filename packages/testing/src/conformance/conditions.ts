/**
 * What is registered before the webhook. `bare`: nothing. `parser first`: a JSON parser, perhaps for other types too,
 * that keeps no bytes. `captured raw body`: a parser that keeps them, as the documentation of this host recommends.
 */
export type Arrangement = 'bare' | 'parser first' | 'captured raw body'

/** How the host is set up, or how the delivery is sent to a bare one. */
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

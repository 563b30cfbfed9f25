import type { Condition } from './conditions.ts'

/** Conditions that a rule does not apply to, and why. */
export type NotUnder = { readonly [Name in Condition]?: string }

const hasNoBody = 'the request has no body'

/** For requests without a body: every condition but `bare` is about the body. */
export const withoutBody: NotUnder = {
  'parser first': hasNoBody,
  'captured raw body': hasNoBody,
  compressed: hasNoBody,
  'chunked mid-code-point': hasNoBody,
  oversized: hasNoBody,
  slow: hasNoBody,
  aborted: hasNoBody,
}

export const ownTransfer = 'the check itself decides how the body is sent'

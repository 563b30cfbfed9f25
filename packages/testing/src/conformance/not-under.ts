import type { Condition } from './conditions.ts'

/** Conditions that a rule does not apply to, and why. */
export type NotUnder = { readonly [Name in Condition]?: string }

const noBody = 'the request has no body'

/** For requests without a body: every other condition is about the body. */
export const withoutBody: NotUnder = {
  'parser first': noBody,
  'captured raw body': noBody,
  compressed: noBody,
  'chunked mid-code-point': noBody,
  oversized: noBody,
  slow: noBody,
  aborted: noBody,
}

export const ownTransfer = 'the check itself decides how the body is sent'

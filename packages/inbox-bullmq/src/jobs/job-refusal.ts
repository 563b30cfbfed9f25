import { messageOf } from '@scrapenest-webhooks/core/adapter'

/** BullMQ's code for a job that is not where a call expects it: gone, ended, locked by another worker, or in another list. */
export function jobRefusalOf(error: unknown): number | undefined {
  const code: unknown = (error as { readonly code?: unknown } | null | undefined)?.code
  return typeof code === 'number' && code < 0 ? code : undefined
}

/** @returns false for a job that is gone, locked, or in another list. Throws any other error. */
export function falseIfRefused(error: unknown): false {
  if (jobRefusalOf(error) !== undefined) return false
  // For a job that a worker has claimed, the error of `remove` has no code.
  if (messageOf(error).includes('locked')) return false
  throw error
}

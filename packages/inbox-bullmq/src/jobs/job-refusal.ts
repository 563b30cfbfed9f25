/** BullMQ's code for a job that is not where a call expects it: gone, ended, locked by another worker, or in another list. */
export function jobRefusalOf(error: unknown): number | undefined {
  const code: unknown = (error as { readonly code?: unknown } | null | undefined)?.code
  return typeof code === 'number' && code < 0 ? code : undefined
}

/** The system's code of a failure (`ECONNREFUSED`), which `fetch` keeps in its cause. */
export function systemCodeOf(error: unknown): string | undefined {
  for (let cause = error, depth = 0; depth < 4; depth += 1) {
    if (!(cause instanceof Error)) return undefined
    if ('code' in cause && typeof cause.code === 'string') return cause.code
    cause = cause instanceof AggregateError ? cause.errors[0] : cause.cause
  }
  return undefined
}

/** Names a failure without its message: Node's own messages quote URLs, and a `download_url` is a credential. */
export function reasonOf(error: unknown): string {
  return systemCodeOf(error) ?? (error instanceof Error ? error.name : 'unknown reason')
}

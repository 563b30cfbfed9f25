/** The system's code of a failure (`ECONNREFUSED`), which `fetch` keeps in its cause. */
export function systemCodeOf(error: unknown): string | undefined {
  return causesOf(error)
    .map(codeOf)
    .find((code) => code !== undefined)
}

/**
 * Names a failure: by its code, because Node's own messages quote URLs and a `download_url` is a credential. Where there
 * is no code, by the message closest to the cause, without anything that looks like a URL.
 */
export function reasonOf(error: unknown): string {
  return systemCodeOf(error) ?? messageOf(error) ?? 'unknown reason'
}

function messageOf(error: unknown): string | undefined {
  const messages = causesOf(error).map(({ message }) => message.trim())
  const message = messages.reverse().find((message) => message !== '')
  return message
    ?.replaceAll(/\S*(?::\/\/|\?)\S*/g, '[URL]')
    .slice(0, 200)
    .replace(/[.\s]+$/, '')
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** A failure and what caused it, outermost first. */
function causesOf(error: unknown): Error[] {
  const causes: Error[] = []
  for (let cause = error; cause instanceof Error && causes.length < 4; ) {
    causes.push(cause)
    cause = cause instanceof AggregateError ? cause.errors[0] : cause.cause
  }
  return causes
}

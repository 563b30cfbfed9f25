/** The system's error code (such as `ECONNREFUSED`), which `fetch` keeps in the cause. */
export function systemCodeOf(error: unknown): string | undefined {
  return causesOf(error)
    .map(({ code }) => code)
    .find((code) => code !== undefined)
}

/**
 * Describes a failure without quoting a URL: a `download_url` is a credential, and Node's messages quote URLs. Uses the
 * error code. If there is none, uses the innermost message, without anything that looks like a URL.
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

interface Cause {
  readonly message: string
  readonly code: string | undefined
}

/**
 * A failure and its causes, outermost first. Reads fields, not `instanceof`: under Jest, the errors of `fetch` and `fs` are
 * from another realm and have another constructor. A custom `fetch` can throw anything.
 */
export function causesOf(error: unknown): readonly Cause[] {
  const causes: Cause[] = []
  try {
    for (let next = error as Thrown; typeof next?.message === 'string' && causes.length < 4; ) {
      const { message, code, errors, cause } = next
      causes.push({ message, code: typeof code === 'string' ? code : undefined })
      next = (Array.isArray(errors) && errors.length > 0 ? errors[0] : cause) as Thrown
    }
  } catch {
    // A getter or a proxy that throws.
  }
  return causes
}

type Thrown = { readonly [field in 'message' | 'code' | 'errors' | 'cause']?: unknown } | null | undefined

/** The system's code of a failure (`ECONNREFUSED`), which `fetch` keeps in its cause. */
export function systemCodeOf(error: unknown): string | undefined {
  return causesOf(error)
    .map(({ code }) => code)
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

interface Cause {
  readonly message: string
  readonly code: string | undefined
}

/**
 * A failure and what caused it, outermost first. Reads fields, not `instanceof`: under Jest, the errors of `fetch` and `fs`
 * are from another realm and have another constructor. A custom `fetch` can throw anything.
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

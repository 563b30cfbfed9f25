import type { InboxEvent } from '@scrapenest-webhooks/core'
import type { AttemptError } from '../contract.ts'

/**
 * Masks an event's URLs in the stored error. A `download_url` is a credential, and Node's `fetch` quotes a URL that it
 * cannot parse. Unmasked, it would be stored and shown with the error even after the event's body was hidden or dropped.
 */
export function maskUrls(error: AttemptError, event: InboxEvent): AttemptError {
  const urls = urlsIn(event.body)
  const mask = (text: string): string => urls.reduce((rest, url) => rest.replaceAll(url, masked(url)), text)
  const { code, name, message, stack } = error
  return { code, name, message: mask(message), ...(stack === undefined ? {} : { stack: mask(stack) }) }
}

/** Every URL in the event, as written and as normalized by `new URL`. Longest first, because one may contain another. */
function urlsIn(body: Uint8Array): readonly string[] {
  const urls = new Set<string>()
  try {
    JSON.parse(Buffer.from(body).toString(), (_name, value: unknown) => {
      if (typeof value !== 'string' || !/^https?:\/\//i.test(value)) return value
      urls.add(value)
      if (URL.canParse(value)) urls.add(new URL(value).href)
      return value
    })
  } catch {
    // Not JSON, so there are no URLs to find.
  }
  return [...urls].sort((one, other) => other.length - one.length)
}

/** Keeps the origin, which shows where the artifact is hosted. */
function masked(url: string): string {
  return URL.canParse(url) ? `${new URL(url).origin}/…` : 'the URL of the event'
}

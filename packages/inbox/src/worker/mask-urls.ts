import type { InboxEvent } from '@scrapenest-webhooks/core'
import type { AttemptError } from '../contract.ts'

/**
 * The error without the URLs of its event. A `download_url` is a credential, and Node's `fetch` quotes the URL that failed: it
 * would be stored with the error, and shown with it, after the event's own content was hidden or dropped.
 */
export function maskUrls(error: AttemptError, event: InboxEvent): AttemptError {
  const urls = urlsIn(event.body)
  const mask = (text: string): string => urls.reduce((rest, url) => rest.replaceAll(url, masked(url)), text)
  const { code, name, message, stack } = error
  return { code, name, message: mask(message), ...(stack === undefined ? {} : { stack: mask(stack) }) }
}

/** Every string in the event that is a URL, and the form into which `new URL` brings it. The longest first. */
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
    // Not JSON: there is no URL to find.
  }
  return [...urls].sort((one, other) => other.length - one.length)
}

/** Keeps the origin, which tells where the artifact was. */
function masked(url: string): string {
  return URL.canParse(url) ? `${new URL(url).origin}/…` : 'the URL of the event'
}

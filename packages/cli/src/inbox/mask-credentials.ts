import type { AttemptError, InboxRecord } from '@scrapenest-webhooks/inbox'
import { maskDownloadUrls, maskUrl } from '../mask-download-urls.ts'

/**
 * Hides an event's credentials: its `download_url`, and any part of it or of other secrets that an attempt's error quotes.
 */
export function maskCredentials(record: InboxRecord): InboxRecord {
  const { envelope, history } = record
  const urls = downloadUrls(envelope)
  return {
    ...record,
    envelope: envelope && maskDownloadUrls(envelope),
    history: history.map(({ error, ...attempt }) => ({ ...attempt, error: error && maskError(error, urls) })),
  }
}

/** Every `download_url` in an event, as written and in the normalized form that `fetch` quotes in errors. */
function downloadUrls(envelope: InboxRecord['envelope']): readonly string[] {
  const urls = new Set<string>()
  JSON.stringify(envelope, (key, value: unknown) => {
    if (key === 'download_url' && typeof value === 'string' && value !== '') {
      urls.add(value)
      if (URL.canParse(value)) urls.add(new URL(value).href)
    }
    return value
  })
  return [...urls]
}

function maskError({ code, name, message, stack }: AttemptError, urls: readonly string[]): AttemptError {
  const masked = { code, name: maskText(name, urls), message: maskText(message, urls) }
  return stack === undefined ? masked : { ...masked, stack: maskText(stack, urls) }
}

/** Also recognizes credentials that the event does not contain, or no longer contains because its body was dropped. */
function maskText(text: string, urls: readonly string[]): string {
  return urls
    .reduce((rest, url) => rest.replaceAll(url, maskUrl(url)), text)
    .replace(/https?:\/\/[^\s"'<>]*[?@][^\s"'<>]*/g, maskUrl)
    .replace(/([?&][^\s"'<>?&=]*(?:credential|key|secret|signature|token)[^\s"'<>?&=]*=)[^\s"'<>&]*/gi, '$1…')
    .replace(/(whsec_|sn_(?:live|test)_|Bearer )[\w+/=.~-]+/g, '$1…')
}

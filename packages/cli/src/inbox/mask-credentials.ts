import type { AttemptError, InboxRecord } from '@scrapenest-webhooks/inbox'
import { maskDownloadUrls, maskUrl } from '../mask-download-urls.ts'

/**
 * Hides the credentials of an event: its `download_url`, and whatever the errors of its attempts quote of it and of
 * other secrets.
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

/** The values of every `download_url` in an event, and their normalized forms, which `fetch` puts into its errors. */
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

/** Recognizes what the event does not contain, or no longer contains because its content was dropped. */
function maskText(text: string, urls: readonly string[]): string {
  return urls
    .reduce((rest, url) => rest.replaceAll(url, maskUrl(url)), text)
    .replace(/https?:\/\/[^\s"'<>]*[?@][^\s"'<>]*/g, maskUrl)
    .replace(/([?&][^\s"'<>?&=]*(?:credential|key|secret|signature|token)[^\s"'<>?&=]*=)[^\s"'<>&]*/gi, '$1…')
    .replace(/(whsec_|sn_(?:live|test)_|Bearer )[\w+/=.~-]+/g, '$1…')
}

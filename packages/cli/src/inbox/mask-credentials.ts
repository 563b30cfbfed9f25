import type { InboxRecord } from '@scrapenest-webhooks/inbox'

const masked = '… (--reveal shows it)'

/** Replaces every `download_url`, which is a credential, and keeps its origin. */
export function maskEnvelope(envelope: InboxRecord['envelope']): unknown {
  if (envelope === undefined) return undefined
  return JSON.parse(JSON.stringify(envelope), (key, value: unknown) => {
    if (key !== 'download_url' || typeof value !== 'string') return value
    return URL.canParse(value) ? `${new URL(value).origin}/${masked}` : masked
  })
}

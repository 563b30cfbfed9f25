/** Keeps the origin of a URL, which shows where an artifact is stored. */
export function maskUrl(url: string): string {
  const hint = '(--reveal shows it)'
  return URL.canParse(url) ? `${new URL(url).origin}/… ${hint}` : `… ${hint}`
}

/** Hides every `download_url` in a JSON value, because it is a credential. */
export function maskDownloadUrls<Value>(value: Value): Value {
  return JSON.parse(JSON.stringify(value), (key, field: unknown) =>
    key === 'download_url' && typeof field === 'string' ? maskUrl(field) : field,
  )
}

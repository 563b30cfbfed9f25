/** A URL without its user name and password: what is printed ends up in logs and bug reports. */
export function withoutCredentials(url: string): string {
  const shown = new URL(url)
  if (shown.username === '' && shown.password === '') return url
  shown.username = ''
  shown.password = ''
  return shown.href
}

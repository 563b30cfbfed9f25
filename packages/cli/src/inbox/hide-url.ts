/** An error without the user name and password of a URL: an engine may quote its connection. */
export function hideUrl(error: unknown, url: string): unknown {
  if (!(error instanceof Error)) return error
  const { username, password } = new URL(url)
  const parts = [url, password, decodePart(password), username, decodePart(username)].filter((part) => part.length > 3)
  const message = parts.reduce((text, part) => text.replaceAll(part, '…'), error.message)
  return message === error.message ? error : Object.assign(new Error(message), { code: codeOf(error) })
}

function codeOf(error: Error): string | undefined {
  return (error as NodeJS.ErrnoException).code
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

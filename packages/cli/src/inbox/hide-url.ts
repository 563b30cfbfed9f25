import { messageOf } from '@scrapenest-webhooks/core/adapter'

/** Removes the user name and password of a URL from an error, because an engine may quote its connection. */
export function hideUrl(error: unknown, url: string): unknown {
  const { username, password } = new URL(url)
  const parts = [url, password, decodePart(password), username, decodePart(username)].filter((part) => part.length > 3)
  const original = messageOf(error)
  const message = parts.reduce((text, part) => text.replaceAll(part, '…'), original)
  return message === original
    ? error
    : Object.assign(new Error(message), { code: (error as NodeJS.ErrnoException).code })
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

import { readFile } from 'node:fs/promises'
import { buffer as readAll } from 'node:stream/consumers'
import { UsageError } from '../usage-error.ts'

/** A delivery as it was recorded, and how to judge it. */
export interface CapturedDelivery {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly secrets: readonly string[]
  readonly settings: { readonly toleranceSeconds: number; readonly now: () => number }
}

/** @param file `-` reads stdin. */
export function readBody(file: string): Promise<Buffer> {
  return file === '-' ? readAll(process.stdin) : readFile(file)
}

/**
 * The headers of a file and those given one by one, which take precedence.
 *
 * @throws {UsageError} there are none, or they are malformed.
 */
export async function readHeaders(file: string | undefined, lines: readonly string[]): Promise<Record<string, string>> {
  const text = file === undefined ? '' : await readFile(file, 'utf8')
  const fromFile = text.trimStart().startsWith('{')
    ? parseJsonHeaders(text)
    : parseHeaderLines(text.split(/\r?\n/).filter((line) => line.includes(':')))
  const headers = { ...fromFile, ...parseHeaderLines(lines) }
  if (Object.keys(headers).length > 0) return headers
  throw new UsageError('Pass the headers of the delivery with --headers or --header.')
}

function parseJsonHeaders(text: string): Record<string, string> {
  try {
    return Object.fromEntries(
      Object.entries(JSON.parse(text)).map(([name, value]) => [name.toLowerCase(), String(value)]),
    )
  } catch {
    throw new UsageError('The --headers file starts like JSON, but is not valid JSON.')
  }
}

function parseHeaderLines(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf(':')
      if (at < 1) throw new UsageError(`Expected a header as "name: value", got ${JSON.stringify(line)}.`)
      return [line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim()]
    }),
  )
}

/**
 * The time at which a delivery is judged, in milliseconds.
 *
 * @param text ISO 8601, Unix seconds, or `sent` for the time it was signed. Default: now.
 * @throws {UsageError}
 */
export function readNow(text: string | undefined, headers: Readonly<Record<string, string>>): number {
  if (text === undefined) return Date.now()
  const time = text === 'sent' ? (headers['svix-timestamp'] ?? headers['webhook-timestamp'] ?? '') : text
  const timeMs = /^[0-9]{1,12}$/.test(time) ? Number(time) * 1000 : Date.parse(time)
  if (Number.isFinite(timeMs)) return timeMs
  throw new UsageError('Expected --now as ISO 8601, Unix seconds, or "sent", which needs a timestamp in the headers.')
}

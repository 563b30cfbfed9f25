import { readFile } from 'node:fs/promises'
import { buffer as readAll } from 'node:stream/consumers'
import { parseIsoTime } from '../arguments.ts'
import { UsageError } from '../usage-error.ts'

/** A captured delivery, and how to verify it. */
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
 * Merges the headers of a file with those passed individually, which take precedence.
 *
 * @throws {UsageError} if there are none, or they are malformed.
 */
export async function readHeaders(file: string | undefined, lines: readonly string[]): Promise<Record<string, string>> {
  const text = file === undefined ? '' : decode(await readFile(file))
  const fromFile = /^\s*[{[]/.test(text) ? parseJsonHeaders(text) : parseHeaderLines(headerLines(text))
  const headers = { ...fromFile, ...parseHeaderLines(lines) }
  if (Object.keys(headers).length > 0) return headers
  throw new UsageError('Pass the headers of the delivery with --headers or --header.')
}

/** Windows PowerShell saves text as UTF-16, or as UTF-8 with a byte order mark. */
function decode(bytes: Buffer): string {
  const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe
  return new TextDecoder(isUtf16 ? 'utf-16le' : 'utf-8').decode(bytes)
}

/** The lines that are headers. `curl -v` prefixes the headers it sends with `>`. */
function headerLines(text: string): readonly string[] {
  return text
    .split(/\r\n|\r|\n/)
    .map((line) => line.replace(/^[<>] /, ''))
    .filter((line) => /^[^:\s]+:/.test(line))
}

/** Accepts an object, a list of pairs, or Node's `rawHeaders`, in which names and values alternate. */
function parseJsonHeaders(text: string): Record<string, string> {
  let headers: unknown
  try {
    headers = JSON.parse(text)
  } catch {
    throw new UsageError('The --headers file looks like JSON, but is not valid JSON.')
  }
  const pairs = Array.isArray(headers) ? pairsIn(headers) : Object.entries(headers as object)
  return Object.fromEntries(pairs.map(([name, value]) => [String(name).toLowerCase(), String(value)]))
}

function pairsIn(list: readonly unknown[]): readonly (readonly [name: unknown, value: unknown])[] {
  if (list.every((item) => Array.isArray(item))) return list.map(([name, value]) => [name, value])
  return list.flatMap((name, index) => (index % 2 === 0 ? [[name, list[index + 1]] as const] : []))
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
 * The time at which to verify a delivery, in milliseconds since 1970.
 *
 * @param text ISO 8601, Unix seconds, or `sent` for the time of signing. Default: now.
 * @throws {UsageError}
 */
export function readNow(text: string | undefined, headers: Readonly<Record<string, string>>): number {
  if (text === undefined) return Date.now()
  const time = text === 'sent' ? (headers['svix-timestamp'] ?? headers['webhook-timestamp'] ?? '') : text
  const timeMs = /^[0-9]{1,12}$/.test(time) ? Number(time) * 1000 : parseIsoTime(time)
  if (Number.isFinite(timeMs)) return timeMs
  throw new UsageError(
    'Expected --now to be an ISO 8601 time, Unix seconds, or "sent", which requires a timestamp in the headers.',
  )
}

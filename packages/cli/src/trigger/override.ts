import { UsageError } from '../usage-error.ts'

type JsonObject = Readonly<Record<string, unknown>>

/** A field of an event, and its new value. */
export interface Override {
  readonly path: readonly string[]
  readonly value: unknown
}

/**
 * Parses `data.meta.region=eu`. The value is JSON if possible, and text otherwise.
 *
 * @throws {UsageError}
 */
export function parseOverride([path, text]: readonly [path: string, text: string]): Override {
  const names = path.split('.')
  if (names.includes('')) throw new UsageError(`Expected a field such as data.status, got ${JSON.stringify(path)}.`)
  return { path: names, value: parseValue(text) }
}

/** Sets a field of an event. An object value replaces the whole field. Missing parent objects are created. */
export function applyOverride(event: JsonObject, { path, value }: Override): JsonObject {
  const [name = '', ...rest] = path
  if (rest.length === 0) return { ...event, [name]: value }
  const inner = Object.hasOwn(event, name) ? event[name] : {}
  if (!isObject(inner)) throw new UsageError(`${name} is not an object, so ${path.join('.')} cannot be set.`)
  return { ...event, [name]: applyOverride(inner, { path: rest, value }) }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text, keepDigits)
  } catch {
    return text
  }
}

/** Numbers are sent as typed, because ids beyond 2^53 would lose digits as JavaScript numbers. */
function keepDigits(_key: string, value: unknown, { source }: { readonly source?: string } = {}): unknown {
  return typeof value === 'number' && source !== undefined ? rawJson(source) : value
}

/** TypeScript does not declare `JSON.rawJSON`, available since Node 21. */
const { rawJSON: rawJson } = JSON as unknown as { readonly rawJSON: (text: string) => unknown }

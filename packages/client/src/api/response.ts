import { ScrapeNestError } from '../errors.ts'

/** A successful response. */
export interface ApiResponse {
  readonly status: number
  /** The parsed body; `undefined` if it is empty. */
  readonly data: unknown
  /** Method and path, for messages. */
  readonly request: string
}

/**
 * Checks the fields that this client relies on. The others are typed from the documentation but not checked, so
 * callers do not break when ScrapeNest adds or omits a field.
 *
 * @throws {ScrapeNestError} `response_invalid`
 */
export function expectFields<Body>(response: ApiResponse, names: readonly (keyof Body & string)[]): Body {
  const { data, request } = response
  if (!isRecord(data)) throw invalidResponse(request, 'is not a JSON object')
  for (const name of names) {
    if (data[name] === undefined) throw invalidResponse(request, `has no ${name}`)
  }
  return data as Body
}

/**
 * Parses a body.
 *
 * @throws {ScrapeNestError} `response_invalid`
 */
export function parseJson(bytes: Uint8Array, request: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    // Without a cause, because the error of JSON.parse quotes the text, which may contain a secret.
    throw invalidResponse(request, 'is not JSON')
  }
}

/** `response_invalid`. @param problem completes the sentence "The response to …". */
export function invalidResponse(request: string, problem: string): ScrapeNestError {
  return new ScrapeNestError({ code: 'response_invalid', message: `The response to ${request} ${problem}.` })
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

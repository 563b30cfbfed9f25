import type { IncomingMessage } from 'node:http'

/** One request to the API, as passed to its route. */
export interface ApiRequest {
  /** The parts of the path that match the route's `*`. */
  readonly ids: readonly string[]
  readonly query: URLSearchParams
  readonly body: Readonly<Record<string, unknown>>
}

export interface ApiResponse {
  readonly status: number
  readonly json?: object
}

/** An error response, in the shape that ScrapeNest's SDK reads. */
export class ApiError extends Error {
  readonly status: number
  readonly apiCode: string
  readonly details: readonly FieldProblem[]
  constructor(
    status: number,
    { code, message, details = [] }: { code: string; message: string; details?: FieldProblem[] },
  ) {
    super(message)
    this.status = status
    this.apiCode = code
    this.details = details
  }
}

export interface FieldProblem {
  readonly field: string
  readonly message: string
}

export function notFound(what: string): ApiError {
  return new ApiError(404, { code: 'not_found', message: `${what} not found` })
}

/** @throws {ApiError} 422 that lists every problem */
export function refuseProblems(problems: readonly (FieldProblem | false)[]): void {
  const details = problems.filter((problem) => problem !== false)
  if (details.length === 0) return
  throw new ApiError(422, { code: 'validation_error', message: 'The request is invalid.', details })
}

/** @throws {ApiError} 422 */
export function wholeNumber(
  query: URLSearchParams,
  name: string,
  range: { readonly fallback: number; readonly min: number; readonly max: number },
): number {
  const text = query.get(name)
  if (text === null) return range.fallback
  const value = Number(text)
  refuseProblems([
    !(Number.isInteger(value) && value >= range.min) && {
      field: name,
      message: `must be a whole number from ${range.min}`,
    },
  ])
  return Math.min(value, range.max)
}

const maxBodyBytes = 1024 * 1024

/** @throws {ApiError} 400 or 413 */
export async function readJsonBody(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Buffer[] = []
  let byteLength = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    byteLength += chunk.length
    if (byteLength > maxBodyBytes) throw new ApiError(413, { code: 'too_large', message: 'The body is too large.' })
    chunks.push(chunk)
  }
  if (byteLength === 0) return {}
  const value = parseJson(Buffer.concat(chunks).toString('utf8'))
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new ApiError(400, { code: 'bad_request', message: 'The body is not a JSON object.' })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

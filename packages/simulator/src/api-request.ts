import type { IncomingMessage } from 'node:http'

/** One call as a route gets it. */
export interface ApiRequest {
  /** What stands in place of the path's `*`s. */
  readonly ids: readonly string[]
  readonly query: URLSearchParams
  readonly body: Readonly<Record<string, unknown>>
}

export interface ApiAnswer {
  readonly status: number
  readonly json?: object
}

/** An answer of the API that is an error, in the shape ScrapeNest's SDK reads. */
export class ApiFailure extends Error {
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

export function notFound(what: string): ApiFailure {
  return new ApiFailure(404, { code: 'not_found', message: `${what} not found` })
}

/** @throws {ApiFailure} 422, with every problem. */
export function refuseProblems(problems: readonly (FieldProblem | false)[]): void {
  const details = problems.filter((problem) => problem !== false)
  if (details.length === 0) return
  throw new ApiFailure(422, { code: 'validation_error', message: 'The request is not valid.', details })
}

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

/** @throws {ApiFailure} 400 or 413 */
export async function readJsonBody(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Buffer[] = []
  let byteLength = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    byteLength += chunk.length
    if (byteLength > maxBodyBytes) throw new ApiFailure(413, { code: 'too_large', message: 'The body is too large.' })
    chunks.push(chunk)
  }
  if (byteLength === 0) return {}
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // Said below.
  }
  throw new ApiFailure(400, { code: 'bad_request', message: 'The body is not a JSON object.' })
}

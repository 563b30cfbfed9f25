import { codeOfStatus, ScrapeNestError } from '../errors.ts'
import { isRecord } from './response.ts'

/** The fields of an error response. */
interface ErrorFields {
  readonly apiCode: string | undefined
  readonly apiMessage: string | undefined
  readonly requestId: string | undefined
  readonly details: readonly Readonly<Record<string, unknown>>[]
}

interface ErrorResponse {
  /** Method and path. */
  readonly request: string
  readonly status: number
  readonly attempts: number
  readonly requestId: string | undefined
  readonly retryAfterSeconds: number | undefined
  /** The beginning of the body, without the credential. */
  readonly body: string
}

/** Converts an error response of the API to an error. */
export function responseError(response: ErrorResponse): ScrapeNestError {
  const { request, status, body } = response
  const { apiCode, apiMessage, ...fields } = parseErrorFields(body)
  const requestId = fields.requestId ?? response.requestId
  const reason = apiMessage ?? apiCode
  const shownReason = reason === undefined ? '' : `: ${reason}`
  const shownId = requestId === undefined ? '' : ` (request ${requestId})`
  return new ScrapeNestError({
    ...response,
    code: codeOfStatus(status),
    message: `${request} returned ${status}${shownReason}${shownId}.`,
    apiCode,
    requestId,
    details: fields.details,
  })
}

/** Both forms: `{"error": {"code", "message", …}}`, and the older `{"error": "…", "message": "…"}`. */
function parseErrorFields(body: string): ErrorFields {
  const data = parseRecord(body)
  const { error } = data
  if (!isRecord(error)) {
    return { apiCode: textOf(error), apiMessage: textOf(data['message']), requestId: undefined, details: [] }
  }
  return {
    apiCode: textOf(error['code']),
    apiMessage: textOf(error['message']),
    requestId: textOf(error['request_id']),
    details: Array.isArray(error['details']) ? error['details'].filter(isRecord) : [],
  }
}

function parseRecord(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : {}
  } catch {
    return {}
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, 500) : undefined
}

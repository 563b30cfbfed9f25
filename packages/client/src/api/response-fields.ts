import { ResponseInvalidError } from '../errors.ts'
import { type ApiAnswer, isRecord } from './connection.ts'

/**
 * Takes an answer for what the API documents once the fields are there that we ourselves rely on. The rest is typed by
 * the documentation and not checked: a field that ScrapeNest adds or leaves out must not break a caller.
 *
 * @throws {ResponseInvalidError} `response_invalid`
 */
export function expectFields<Answer>(answer: ApiAnswer, names: readonly (keyof Answer & string)[]): Answer {
  const { data, request } = answer
  if (!isRecord(data)) throw new ResponseInvalidError(request, 'it is not a JSON object')
  for (const name of names) {
    if (data[name] === undefined) throw new ResponseInvalidError(request, `it has no ${name}`)
  }
  return data as Answer
}

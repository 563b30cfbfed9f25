import { verify } from '@scrapenest-webhooks/core'
import type { CapturedDelivery } from './captured-delivery.ts'

/** Tries to undo common modifications of a body. The one that makes the signature valid is what happened to the body. */
export function findAlteration({ headers, body, secrets, settings }: CapturedDelivery): string | undefined {
  const text = body.toString('utf8')
  for (const [restored, hint] of restorations(text)) {
    if (restored === undefined || restored === text) continue
    try {
      verify({ headers, body: restored }, secrets, settings)
      return `${hint} Capture the raw bytes of the request.`
    } catch {
      // Not this one.
    }
  }
  return undefined
}

/** Candidates for the body that was signed, each with the modification it implies. */
function restorations(text: string): readonly (readonly [restored: string | undefined, hint: string])[] {
  return [
    [
      text.replace(/\r?\n$/, ''),
      'The body ends with a line break that was not signed. Many editors and shells add one.',
    ],
    [`${text}\n`, 'The body lost the line break at its end.'],
    [text.replaceAll('\r\n', '\n'), 'The body has Windows line breaks that were not signed.'],
    [text.replaceAll(/\r?\n/g, '\r\n'), 'The body lost its Windows line breaks.'],
    [text.replace(/^\ufeff/, ''), 'The body starts with a byte order mark that was not signed.'],
    ...serializations(text),
  ]
}

const layouts: readonly (readonly [stringify: (value: unknown) => string, description: string])[] = [
  [(value) => JSON.stringify(value), 'is compact'],
  [stringifyLikePython, 'has a space after each comma and colon'],
  [(value) => JSON.stringify(value, null, 2), 'is indented by two spaces'],
]

/** What common writers escape. They can be applied to JSON as a whole, because these characters only occur in strings. */
const escapings: readonly (readonly [escapeJson: (json: string) => string, description: string])[] = [
  [(json) => json, ''],
  [escapeNonAscii, ' and escapes characters outside ASCII (\\u00fc), as Python does'],
  [
    (json) => escapeNonAscii(escapeSlashes(json)),
    ' and escapes slashes (\\/) and characters outside ASCII, as PHP does',
  ],
  [escapeSlashes, ' and escapes slashes (\\/), as PHP does'],
  [escapeHtml, ' and escapes <, > and & (\\u003c), as Go does'],
]

function serializations(text: string): readonly (readonly [restored: string | undefined, hint: string])[] {
  return layouts.flatMap(([stringify, layout]) => {
    const json = serialize(text, stringify)
    return escapings.map(([escapeJson, escaping]) => {
      const hint = `The JSON was serialized again. The signed form ${layout}${escaping}.`
      return [json && escapeJson(json), hint] as const
    })
  })
}

function escapeNonAscii(json: string): string {
  return json.replace(/[\u0080-\uffff]/g, unicodeEscape)
}

function escapeSlashes(json: string): string {
  return json.replaceAll('/', '\\/')
}

function escapeHtml(json: string): string {
  return json.replace(/[<>&\u2028\u2029]/g, unicodeEscape)
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function serialize(text: string, stringify: (value: unknown) => string): string | undefined {
  try {
    return stringify(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** The format of Python's `json.dumps`. */
function stringifyLikePython(value: unknown): string {
  return JSON.stringify(value, null, 1)
    .replace(/([{[])\n */g, '$1')
    .replace(/\n *([}\]])/g, '$1')
    .replace(/\n */g, ' ')
}

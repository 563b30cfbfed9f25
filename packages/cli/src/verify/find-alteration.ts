import { verify } from '@scrapenest-webhooks/core'
import type { CapturedDelivery } from './captured-delivery.ts'

/** Tries common modifications of a body. The one that makes the signature valid is what happened to it. */
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

/** What the body may have been when it was signed, and what that says about it now. */
function restorations(text: string): readonly (readonly [restored: string | undefined, hint: string])[] {
  return [
    [
      text.replace(/\r?\n$/, ''),
      'The body ends with a line break that was not signed. Many editors and shells add one.',
    ],
    [`${text}\n`, 'The line break at the end of the body is missing.'],
    [text.replaceAll('\r\n', '\n'), 'The body has Windows line breaks that were not signed.'],
    [text.replaceAll(/\r?\n/g, '\r\n'), 'The body has lost its Windows line breaks.'],
    [text.replace(/^\ufeff/, ''), 'The body begins with a byte order mark that was not signed.'],
    [serialize(text, (value) => JSON.stringify(value)), 'The JSON was serialized again: the signed form is compact.'],
    [
      serialize(text, stringifyLikePython),
      'The JSON was serialized again: the signed form has a space after each comma and colon.',
    ],
    [
      serialize(text, (value) => JSON.stringify(value, null, 2)),
      'The JSON was serialized again: the signed form is indented by two spaces.',
    ],
  ]
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

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
    [serialize(text, (value) => JSON.stringify(value)), 'The JSON was serialized again. The signed form is compact.'],
    [
      serialize(text, stringifyLikePython),
      'The JSON was serialized again. The signed form has a space after each comma and colon.',
    ],
    [
      serialize(text, (value) => JSON.stringify(value, null, 2)),
      'The JSON was serialized again. The signed form is indented by two spaces.',
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

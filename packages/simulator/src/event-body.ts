/**
 * An event as bytes. Spaced and escaped unlike `JSON.stringify` does it, as many senders do, so that a receiver which
 * parses and re-serialises the body before verifying it fails here and not first in production.
 */
export function eventBody(event: object): Buffer {
  // A line break in this output is never inside a string: JSON escapes those.
  const spaced = JSON.stringify(event, null, 1).replace(/\n */g, ' ')
  return Buffer.from(
    spaced.replace(/[\u0080-\uffff]/g, (character) => `\\u${hex4(character)}`),
    'latin1',
  )
}

function hex4(character: string): string {
  return character.charCodeAt(0).toString(16).padStart(4, '0')
}

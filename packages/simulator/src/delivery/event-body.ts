/**
 * The bytes of an event, with spaces and escapes that `JSON.stringify` does not produce. Many senders do the same. A
 * receiver that parses and re-serializes the body before it verifies fails here first, and not in production.
 */
export function eventBody(event: object): Buffer {
  // JSON escapes line breaks inside strings, so those in this output are all indentation.
  const spaced = JSON.stringify(event, null, 1).replace(/\n */g, ' ')
  return Buffer.from(
    spaced.replace(/[\u0080-\uffff]/g, (character) => `\\u${hex4(character)}`),
    'latin1',
  )
}

function hex4(character: string): string {
  return character.charCodeAt(0).toString(16).padStart(4, '0')
}

/**
 * Serializes an event as many senders do, with spaces and escapes that `JSON.stringify` does not produce. A receiver that
 * re-serializes the body before verifying it then fails here rather than in production.
 */
export function eventBody(event: object): Buffer {
  // JSON escapes line breaks inside strings, so all line breaks in this output are indentation.
  const spaced = JSON.stringify(event, null, 1).replace(/\n */g, ' ')
  return Buffer.from(
    spaced.replace(/[\u0080-\uffff]/g, (character) => `\\u${hex4(character)}`),
    'latin1',
  )
}

function hex4(character: string): string {
  return character.charCodeAt(0).toString(16).padStart(4, '0')
}

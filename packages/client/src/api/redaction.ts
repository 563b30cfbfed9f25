/** Removes a credential from the parts of a response that are shown. */
export interface Redaction {
  redact(text: string): string
  /** How many bytes of a body `beginningOf` needs. */
  readonly neededBytes: number
  /** Returns the first bytes of a body, as text. A credential cut off at the end is removed completely. */
  beginningOf(body: Uint8Array): string
}

/** The longest escaped form of a character: three backslashes and `u002f`. */
const longestForm = 8

/**
 * Also finds the credential as JSON encoders escape it (`\/` or `\u003d`), and inside JSON nested in a JSON string.
 *
 * @param credential printable ASCII.
 */
export function createRedaction(credential: string, { maxBytes }: { readonly maxBytes: number }): Redaction {
  const characters = Array.from(Buffer.from(credential), (byte) => {
    const hex = byte.toString(16)
    return String.raw`\\{0,3}(?:\x${hex}|u00${hex})`
  })
  const pattern = new RegExp(characters.join(''), 'gi')

  function redact(text: string): string {
    return text.replaceAll(pattern, '[redacted]')
  }

  function beginningOf(body: Uint8Array): string {
    // One character per byte, so positions in the text are positions in the body.
    const text = Buffer.from(body).toString('latin1')
    const divided = [...text.matchAll(pattern)].find(({ 0: found, index }) => isDivided(index, found.length))
    const shown = divided === undefined ? text.slice(0, maxBytes) : `${text.slice(0, divided.index)}[redacted]`
    return Buffer.from(redact(shown), 'latin1').toString('utf8')
  }

  function isDivided(index: number, length: number): boolean {
    return index < maxBytes && index + length > maxBytes
  }

  return { redact, neededBytes: maxBytes + credential.length * longestForm, beginningOf }
}

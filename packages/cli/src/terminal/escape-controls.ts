/**
 * Control characters (ESC and line breaks among them), format characters (among them those that reverse the direction
 * of text) and separators of lines. Joiners stay: emoji and several scripts need them.
 */
const controls = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/**
 * Makes text harmless for a terminal: an event, a reply or an error could otherwise move the cursor, change colors, or
 * display something other than what it says. `\u001b` is written for ESC, which leaves JSON valid.
 */
export function escapeControls(text: string): string {
  return text.replace(controls, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}

/**
 * Control characters (including ESC and line breaks), format characters (including those that reverse the text direction)
 * and line separators. Joiners are kept, because emoji and several scripts need them.
 */
const controls = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/**
 * Makes text safe to print. An event, a reply or an error could otherwise move the cursor, change colors, or display
 * misleading text. ESC becomes `\u001b`, which keeps JSON valid.
 */
export function escapeControls(text: string): string {
  return text.replace(controls, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}

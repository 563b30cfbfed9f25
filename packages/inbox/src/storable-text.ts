/** U+0000 and lone surrogates: PostgreSQL's `jsonb` refuses both, and UTF-8 cannot encode the latter. */
const unstorable = /\0|\p{Surrogate}/gu

/** Replaces characters that an engine may be unable to store with U+FFFD. */
export function toStorableText(text: string): string {
  return text.replace(unstorable, '\uFFFD')
}

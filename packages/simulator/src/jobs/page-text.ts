import { Tokenizer } from 'htmlparser2'

/** Elements whose content is not shown. */
const hidden: ReadonlySet<string> = new Set(['script', 'style'])

/**
 * Extracts the visible text of a page, on one line.
 *
 * Uses only the tokenizer, which takes linear time. htmlparser2's parser takes quadratic time for nested elements, and pages
 * are up to 10 MiB long and may be hostile.
 */
export function pageText(html: string): string {
  const texts: string[] = []
  let hiddenElement: string | undefined
  const nameAt = (start: number, end: number): string => html.slice(start, end).toLowerCase()
  const ignore = (): void => {}
  const tokenizer = new Tokenizer(
    { decodeEntities: true },
    {
      ontext: (start, end) => {
        if (hiddenElement === undefined) texts.push(html.slice(start, end))
      },
      ontextentity: (codePoint) => {
        if (hiddenElement === undefined) texts.push(String.fromCodePoint(codePoint))
      },
      onopentagname: (start, end) => {
        texts.push(' ')
        const name = nameAt(start, end)
        if (hidden.has(name)) hiddenElement = name
      },
      onclosetag: (start, end) => {
        texts.push(' ')
        if (nameAt(start, end) === hiddenElement) hiddenElement = undefined
      },
      onattribdata: ignore,
      onattribend: ignore,
      onattribentity: ignore,
      onattribname: ignore,
      oncdata: ignore,
      oncomment: ignore,
      ondeclaration: ignore,
      onend: ignore,
      onopentagend: ignore,
      onprocessinginstruction: ignore,
      onselfclosingtag: ignore,
    },
  )
  // The space ends a tag that is cut off after its name, which the tokenizer would treat as text.
  tokenizer.write(`${html} `)
  tokenizer.end()
  return texts.join('').replace(/\s+/g, ' ').trim()
}

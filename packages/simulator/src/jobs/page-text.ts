import { Parser } from 'htmlparser2'

/** Elements whose content is not shown. */
const hidden: ReadonlySet<string> = new Set(['script', 'style'])

/** The visible text of a page, on one line. Takes linear time: pages are up to 10 MiB long, and may be hostile. */
export function pageText(html: string): string {
  const texts: string[] = []
  let hiddenDepth = 0
  const parser = new Parser({
    ontext: (text) => {
      if (hiddenDepth === 0) texts.push(text)
    },
    onopentag: (name) => {
      texts.push(' ')
      if (hidden.has(name)) hiddenDepth += 1
    },
    onclosetag: (name) => {
      texts.push(' ')
      if (hidden.has(name)) hiddenDepth -= 1
    },
  })
  // The space ends a tag that is cut off after its name, which the parser would take for text.
  parser.end(`${html} `)
  return texts.join('').replace(/\s+/g, ' ').trim()
}

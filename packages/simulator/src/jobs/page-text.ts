/**
 * The visible text of a page. A scan that never goes back: pages are up to 10 MiB long, and may be hostile to regular
 * expressions.
 */
export function pageText(html: string): string {
  const texts: string[] = []
  let position = 0
  while (position < html.length) {
    const start = html.indexOf('<', position)
    if (start === -1) break
    texts.push(html.slice(position, start))
    position = endOfTag(html, start)
  }
  texts.push(html.slice(position))
  return texts.join(' ').replace(/\s+/g, ' ').trim()
}

/** The position after a tag, or after the whole element if it is a script or a style. */
function endOfTag(html: string, start: number): number {
  const end = html.indexOf('>', start)
  if (end === -1) return html.length
  const [, element] = /^<(script|style)\b/i.exec(html.slice(start, start + '<script>'.length)) ?? []
  if (element === undefined) return end + 1
  const closing = new RegExp(`</${element}[^>]*>`, 'gi')
  closing.lastIndex = end
  return closing.exec(html) === null ? html.length : closing.lastIndex
}

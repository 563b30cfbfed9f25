/**
 * A path with its ids escaped, so that an id cannot lead to another path.
 *
 * @throws {TypeError} for an id that is empty, a dot or two dots, or not a string.
 */
export function path(parts: TemplateStringsArray, ...ids: readonly string[]): string {
  for (const id of ids) {
    // URLs resolve `..` to the parent, however it is escaped; an empty id would be the list.
    if (typeof id !== 'string' || /^\.{0,2}$/.test(id)) {
      throw new TypeError(`Expected an id, got ${JSON.stringify(id)}.`)
    }
  }
  return String.raw({ raw: parts }, ...ids.map(encodeURIComponent))
}

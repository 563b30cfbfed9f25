/**
 * Builds a path with escaped ids, so an id cannot lead to another path.
 *
 * @throws {TypeError} if an id is empty, a dot, two dots, or not a string.
 */
export function path(parts: TemplateStringsArray, ...ids: readonly string[]): string {
  for (const id of ids) {
    // URLs resolve `..` to the parent even if escaped, and an empty id would request the list.
    if (typeof id !== 'string' || /^\.{0,2}$/.test(id)) {
      throw new TypeError(`Expected an id, got ${JSON.stringify(id)}.`)
    }
  }
  return String.raw({ raw: parts }, ...ids.map(encodeURIComponent))
}

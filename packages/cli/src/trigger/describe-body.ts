/** The body of a reply, for one line. A page of HTML would hide the status. */
export function describeBody(body: string): string {
  return /^\s*<(?:!doctype|html|head|body)/i.test(body) ? '(an HTML page)' : body
}

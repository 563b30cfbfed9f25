import { styleText } from 'node:util'

/** Colours where a person reads: styleText leaves them out where the stream is no terminal, and where NO_COLOR is set. */
type Colour = Parameters<typeof styleText>[0]

function painted(colour: Colour, text: string, stream: NodeJS.WriteStream): string {
  return styleText(colour, text, { stream })
}

export function green(text: string): string {
  return painted('green', text, process.stdout)
}

export function yellow(text: string): string {
  return painted('yellow', text, process.stdout)
}

export function bold(text: string): string {
  return painted('bold', text, process.stdout)
}

export function dim(text: string): string {
  return painted('dim', text, process.stdout)
}

/** For stderr, where errors go. */
export function red(text: string): string {
  return painted('red', text, process.stderr)
}

/** For results, which go to stdout. */
export function redResult(text: string): string {
  return painted('red', text, process.stdout)
}

export function printLine(text = ''): void {
  process.stdout.write(`${text}\n`)
}

/** One JSON value on one line: for scripts, and so that values can follow one another. */
export function printJson(value: unknown): void {
  printLine(JSON.stringify(value))
}

/** Rows in columns as wide as their widest cell. */
export function printTable(headings: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  printLine(bold(line(headings)))
  for (const row of rows) printLine(line(row))
}

/** A bar on stderr while a person waits; nothing where stderr is no terminal. */
export function showProgress(done: number, total: number, what: string): void {
  const { stderr } = process
  if (!stderr.isTTY) return
  stderr.clearLine(0)
  stderr.cursorTo(0)
  if (done >= total) return
  const width = 24
  const filled = Math.round((done / total) * width)
  stderr.write(`${'█'.repeat(filled)}${'░'.repeat(width - filled)} ${done}/${total} ${what}`)
}

import { styleText } from 'node:util'
import { escapeControls } from './escape-controls.ts'

/**
 * All output of the CLI goes through `write` at the end of this file, which escapes control characters. Colors are added
 * afterwards, so they are separate parts of a line rather than codes in a text.
 */
export type Part = string | StyledText

interface StyledText {
  readonly text: string
  readonly style: 'bold' | 'dim' | 'green' | 'red' | 'yellow'
}

export function bold(text: string): StyledText {
  return { text, style: 'bold' }
}

export function dim(text: string): StyledText {
  return { text, style: 'dim' }
}

export function green(text: string): StyledText {
  return { text, style: 'green' }
}

export function red(text: string): StyledText {
  return { text, style: 'red' }
}

export function yellow(text: string): StyledText {
  return { text, style: 'yellow' }
}

/** Prints one line of a result. */
export function printLine(...parts: readonly Part[]): void {
  write(process.stdout, [...parts], '\n')
}

/** Prints a result of several lines. */
export function printText(text: string): void {
  for (const line of text.split('\n')) printLine(line)
}

/** Prints a JSON value on one line, for scripts. */
export function printJson(value: unknown): void {
  printLine(JSON.stringify(value))
}

/** Prints a table with columns as wide as their widest cell. */
export function printTable(headings: readonly string[], rows: readonly (readonly string[])[]): void {
  const escaped = rows.map((row) => row.map(escapeControls))
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...escaped.map((row) => (row[column] ?? '').length)),
  )
  const lineOf = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  printLine(bold(lineOf(headings)))
  for (const row of escaped) printLine(lineOf(row))
}

/** Prints one line of an error. Errors, questions and progress go to stderr, so stdout contains only results. */
export function printErrorLine(...parts: readonly Part[]): void {
  write(process.stderr, parts, '\n')
}

/** Prints a question to be answered on the same line. */
export function printQuestion(question: string): void {
  write(process.stderr, [question, ' '])
}

/**
 * Shows a progress bar if stderr is a terminal. Removes it once `done` reaches `total`.
 *
 * @param total `undefined` if unknown.
 */
export function showProgress(done: number, total: number | undefined, label: string): void {
  const { stderr } = process
  if (!stderr.isTTY) return
  stderr.clearLine(0)
  stderr.cursorTo(0)
  if (total !== undefined && done >= total) return
  if (total === undefined) {
    write(stderr, [`${done} ${label}`])
    return
  }
  const width = 24
  const filled = Math.round((done / total) * width)
  write(stderr, [`${'█'.repeat(filled)}${'░'.repeat(width - filled)} ${done}/${total} ${label}`])
}

function write(stream: NodeJS.WriteStream, parts: readonly Part[], end = ''): void {
  const painted = parts.map((part) => {
    if (typeof part === 'string') return escapeControls(part)
    // `styleText` omits colors if the stream is not a terminal or NO_COLOR is set.
    return styleText(part.style, escapeControls(part.text), { stream })
  })
  stream.write(`${painted.join('')}${end}`)
}

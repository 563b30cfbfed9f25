import { styleText } from 'node:util'
import { escapeControls } from './escape-controls.ts'

/**
 * Everything that the CLI prints goes through `write` at the end of this file, which escapes control characters. Colors
 * are added after that, so they are parts of a line and not codes inside a text.
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

/** One line of a result. */
export function printLine(...parts: readonly Part[]): void {
  write(process.stdout, [...parts], '\n')
}

/** A result of several lines. */
export function printText(text: string): void {
  for (const line of text.split('\n')) printLine(line)
}

/** One JSON value on one line, for scripts. */
export function printJson(value: unknown): void {
  printLine(JSON.stringify(value))
}

/** Columns as wide as their widest cell. */
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

/** One line of an error. Errors, questions and progress go to stderr, so that stdout holds results only. */
export function printErrorLine(...parts: readonly Part[]): void {
  write(process.stderr, parts, '\n')
}

/** A question, to be answered on the same line. */
export function printQuestion(question: string): void {
  write(process.stderr, [question, ' '])
}

/**
 * A progress bar for a person; nothing if stderr is not a terminal. It is removed once `done` reaches `total`.
 *
 * @param total undefined if it is not known.
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
    // Without colors if the stream is not a terminal, or if NO_COLOR is set.
    return styleText(part.style, escapeControls(part.text), { stream })
  })
  stream.write(`${painted.join('')}${end}`)
}

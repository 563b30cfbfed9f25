import { styleText } from 'node:util'
import { escapeControls } from './escape-controls.ts'
import { arrangeTable, columnsOf, wrapLine } from './fit.ts'

/**
 * All output of the CLI goes through `write` at the end of this file, which escapes control characters. Colors are added
 * afterward, so they are separate parts of a line rather than codes in a text.
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

/** Prints one line of a result. A terminal gets it wrapped between words; a pipe or a file never does. */
export function printLine(...parts: readonly Part[]): void {
  writeLine(process.stdout, parts)
}

/** Prints text of several lines, such as JSON, in which a line break would change the content: only the terminal wraps it. */
export function printText(text: string): void {
  for (const line of text.split('\n')) write(process.stdout, [line], '\n')
}

/** Prints a JSON value on one line, for scripts. */
export function printJson(value: unknown): void {
  printText(JSON.stringify(value))
}

/**
 * Prints a table. On a terminal that is too narrow, the last columns of each row continue on the next line.
 */
export function printTable(headings: readonly string[], rows: readonly (readonly string[])[]): void {
  const escaped = rows.map((row) => row.map(escapeControls))
  const [first = [], ...others] = arrangeTable([headings, ...escaped], columnsOf(process.stdout))
  for (const line of first) printLine(bold(line))
  for (const line of others.flat()) printLine(line)
}

/** Prints one line of an error. Errors, questions and progress go to stderr, so stdout contains only results. */
export function printErrorLine(...parts: readonly Part[]): void {
  writeLine(process.stderr, parts)
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
  const text = ` ${done}/${total} ${label}`
  // A bar that wraps could not be cleared.
  const width = Math.max(0, Math.min(24, (columnsOf(stderr) ?? 80) - text.length - 1))
  const filled = Math.round((done / total) * width)
  write(stderr, [`${'█'.repeat(filled)}${'░'.repeat(width - filled)}${text}`])
}

function writeLine(stream: NodeJS.WriteStream, parts: readonly Part[]): void {
  const columns = columnsOf(stream)
  write(stream, parts, '\n', columns === undefined ? undefined : (line) => wrapLine(line, columns))
}

function write(
  stream: NodeJS.WriteStream,
  parts: readonly Part[],
  end = '',
  wrap: (line: string) => string = (line) => line,
): void {
  const painted = parts.map((part) => {
    if (typeof part === 'string') return escapeControls(part)
    // `styleText` omits colors if the stream is not a terminal or NO_COLOR is set.
    return styleText(part.style, escapeControls(part.text), { stream })
  })
  stream.write(`${wrap(painted.join(''))}${end}`)
}

import widthOf from 'fast-string-width'
import { wrapAnsi } from 'fast-wrap-ansi'

/**
 * The width of a terminal, or `undefined` if output goes to a pipe or a file, which has no width. `COLUMNS` takes precedence
 * and helps terminals that do not report a size.
 */
export function columnsOf(stream: NodeJS.WriteStream): number | undefined {
  return stream.isTTY ? Number(process.env['COLUMNS']) || stream.columns || undefined : undefined
}

/**
 * Breaks a line between words and keeps its indentation. Longer words, such as a URL or a secret, stay whole: the terminal
 * wraps them itself, so they can be copied.
 */
export function wrapLine(line: string, columns: number): string {
  if (widthOf(line) <= columns) return line
  const indent = /^ */.exec(line)?.[0] ?? ''
  return wrapAnsi(line.slice(indent.length), Math.max(1, columns - indent.length))
    .split('\n')
    .map((part) => `${indent}${part.trimEnd()}`)
    .join('\n')
}

const gap = '  '

/**
 * Arranges cells in columns as wide as their widest cell. Columns that do not fit continue on an indented line, for the
 * headings as well as for every row. Nothing is cut: ids and URLs are there to be copied.
 *
 * @param columns the width of the terminal. `undefined` keeps each row on one line.
 * @returns the lines of each row.
 */
export function arrangeTable(
  rows: readonly (readonly string[])[],
  columns: number = Number.POSITIVE_INFINITY,
): readonly (readonly string[])[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => widthOf(row[column] ?? ''))))
  const starts = lineStarts(widths, columns)
  return rows.map((row) =>
    starts.map((start, line) =>
      row
        .slice(start, starts[line + 1])
        .map((cell, index) => cell + ' '.repeat((widths[start + index] ?? 0) - widthOf(cell)))
        .join(gap)
        .trimEnd()
        .replace(/^/, line === 0 ? '' : gap),
    ),
  )
}

/** The first column of each line. */
function lineStarts(widths: readonly number[], columns: number): readonly number[] {
  const starts = [0]
  let used = 0
  for (const [column, width] of widths.entries()) {
    const fits = used + width <= columns
    if (column > 0 && !fits) {
      starts.push(column)
      used = gap.length
    }
    used += width + gap.length
  }
  return starts
}

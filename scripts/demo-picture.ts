// `pnpm demo:picture` runs the demo and draws its output as docs/demo.svg.
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { promisify, stripVTControlCharacters } from 'node:util'

const repository = new URL('..', import.meta.url)
/** Sections drawn in full. The others are reduced to a title and a line count, because their lines may contain random ids. */
const drawnWhole = ['Fastify', 'Faults', 'Crash']

const columnWidth = 7.4
const lineHeight = 18
const margin = 20
const titleBar = 34
const colors: Readonly<Record<string, string>> = {
  bold: '#ffffff',
  green: '#7ee787',
  red: '#ff7b72',
  yellow: '#e3b341',
  dim: '#8b949e',
}
const codes: Readonly<Record<string, string>> = { '1': 'bold', '2': 'dim', '31': 'red', '32': 'green', '33': 'yellow' }

if (import.meta.main) await writeFile(new URL('docs/demo.svg', repository), await drawDemo())

/** Runs the demo. Rejects if the demo fails. */
export async function drawDemo(): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=@scrapenest-webhooks/source', 'examples/demo/demo.ts'],
    { cwd: repository, env: { ...process.env, FORCE_COLOR: '1' } },
  )
  const [, command = ''] =
    /^```sh\n(.+?)(?: +#.*)?$/m.exec(await readFile(new URL('README.md', repository), 'utf8')) ?? []
  // The duration differs from run to run.
  return draw([`\x1b[1m$ ${command}\x1b[22m`, ...shorten(stdout.replace(/ \(\d+\.\d s\)/, ''))])
}

function shorten(printed: string): readonly string[] {
  const sections = printed
    .trim()
    .split('\n\n')
    .map((section) => section.split('\n'))
  const isFolded = ([title = '', ...lines]: readonly string[]): boolean =>
    lines.length > 0 && !drawnWhole.some((start) => stripVTControlCharacters(title).startsWith(start))
  return sections.flatMap((section, index) => {
    if (!isFolded(section)) return ['', ...section]
    const folded = `${section[0]} \x1b[2m… ${section.length - 1} more lines\x1b[22m`
    return index > 0 && isFolded(sections[index - 1] as readonly string[]) ? [folded] : ['', folded]
  })
}

function draw(lines: readonly string[]): string {
  const columns = Math.max(...lines.map((line) => stripVTControlCharacters(line).length))
  const width = Math.ceil(2 * margin + columns * columnWidth)
  const height = titleBar + margin + lines.length * lineHeight + 4
  const texts = lines.map((line, index) => drawLine(line, titleBar + margin + index * lineHeight))
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>What the demo prints: genuine deliveries are accepted, and forged, stale and repeated ones are not</title>
<rect width="${width}" height="${height}" rx="10" fill="#0d1117"/>
<circle cx="22" cy="18" r="6" fill="#ff5f57"/><circle cx="42" cy="18" r="6" fill="#febc2e"/><circle cx="62" cy="18" r="6" fill="#28c840"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="12.3" fill="#c9d1d9">
${texts.filter((text) => text !== '').join('\n')}
</g>
</svg>
`
}

/** Places each piece of text at its column and stretches it to its width in a terminal, whatever the font. */
function drawLine(line: string, y: number): string {
  let column = 0
  let color = ''
  const pieces: string[] = []
  // Splits at color changes and at runs of spaces, which SVG would collapse.
  for (const part of line.split(/(\p{Control}\[\d+m| {2,})/u)) {
    const [, code] = /^\p{Control}\[(\d+)m$/u.exec(part) ?? []
    if (code === undefined) {
      if (part.trim() !== '') pieces.push(drawText(part.trim(), column + part.search(/\S/), y, color))
      column += part.length
    } else {
      color = codes[code] ?? ''
    }
  }
  return pieces.join('')
}

function drawText(text: string, column: number, y: number, color: string): string {
  const x = (margin + column * columnWidth).toFixed(1)
  const length = (text.length * columnWidth).toFixed(1)
  const fill = color === '' ? '' : ` fill="${colors[color]}"`
  const weight = color === 'bold' ? ' font-weight="bold"' : ''
  return `<text x="${x}" y="${y}" textLength="${length}" lengthAdjust="spacingAndGlyphs"${fill}${weight}>${escapeXml(text)}</text>`
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

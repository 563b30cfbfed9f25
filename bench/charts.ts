// `npx -y pnpm@12 bench:publish FILE.json`: draws the figures of a run into docs/charts, one SVG per scenario, and writes
// its bounds into docs/performance.md.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { type Figure, plainTargetLine, type SectionReport } from './report.ts'

const width = 760
const left = 290
const rowHeight = 26
const top = 54

interface Run {
  readonly machine: string
  readonly at: string
  readonly reports: Record<string, SectionReport>
}

const directory = new URL('../docs/charts/', import.meta.url)
const run = JSON.parse(await readFile(process.argv[2] as string, 'utf8')) as Run
await mkdir(directory, { recursive: true })
for (const { figures } of Object.values(run.reports)) {
  for (const scenario of new Set(figures.map((figure) => figure.scenario))) {
    const group = figures.filter((figure) => figure.scenario === scenario)
    const name = `${group[0]?.section}-${scenario}`.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
    await writeFile(new URL(`${name}.svg`, directory), draw(scenario, group, run))
  }
}

await publishRatios(run)

/** Writes every bound, met or missed, between the two comments of the page. */
async function publishRatios({ machine, at, reports }: Run): Promise<void> {
  const page = new URL('../docs/performance.md', import.meta.url)
  const text = await readFile(page, 'utf8')
  const [begin, end] = ['<!-- ratios -->', '<!-- end of the ratios -->']
  const lines = Object.values(reports).flatMap(({ targets }) => targets.map((target) => `- ${plainTargetLine(target)}`))
  const ratios = [`Run of ${at.slice(0, 10)} on ${machine}:`, '', ...lines].join('\n')
  const before = text.slice(0, text.indexOf(begin) + begin.length)
  await writeFile(page, `${before}\n\n${ratios}\n\n${text.slice(text.indexOf(end))}`)
}

/** Horizontal bars from the median, with a line from the fastest to the slowest round. */
function draw(scenario: string, figures: readonly Figure[], { machine, at }: Run): string {
  const max = Math.max(...figures.map((figure) => figure.max))
  const scale = (value: number): number => (value / max) * (width - left - 110)
  const height = top + figures.length * rowHeight + 30
  const unit = figures[0]?.unit ?? ''
  const better = unit === 'req/s' ? 'more is better' : 'less is better'
  const rows = figures.map((figure, index) => row(figure, top + index * rowHeight, scale))
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="13">`,
    `<title>${escaped(`${figures[0]?.section}: ${scenario}, in ${unit}`)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="16" y="24" font-size="16" font-weight="600" fill="#1f2328">${escaped(`${figures[0]?.section}: ${scenario}`)}</text>`,
    `<text x="16" y="42" fill="#59636e">${escaped(`${unit}, ${better}`)}</text>`,
    ...rows,
    `<text x="16" y="${height - 10}" font-size="11" fill="#59636e">${escaped(`${machine}; ${at.slice(0, 10)}`)}</text>`,
    '</svg>',
    '',
  ].join('\n')
}

function row({ contender, median, min, max }: Figure, y: number, scale: (value: number) => number): string {
  const color = contender.startsWith('ours') ? '#1f883d' : '#8c959f'
  const middle = y + 10
  return [
    `<text x="${left - 10}" y="${y + 14}" text-anchor="end" fill="#1f2328">${escaped(contender)}</text>`,
    `<rect x="${left}" y="${y}" width="${scale(median).toFixed(1)}" height="20" rx="2" fill="${color}"/>`,
    `<line x1="${left + scale(min)}" y1="${middle}" x2="${left + scale(max)}" y2="${middle}" stroke="#1f2328"/>`,
    `<text x="${(left + scale(max) + 8).toFixed(1)}" y="${y + 14}" fill="#1f2328">${readable(median)}</text>`,
  ].join('\n')
}

function readable(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

// `pnpm bench:publish FILE.json`: draws the four charts of docs/performance.md from the output of `pnpm bench --full --json
// FILE.json`.
import { readFile, writeFile } from 'node:fs/promises'
import type { Figure, SectionReport } from './report.ts'

interface Run {
  readonly machine: string
  readonly at: string
  readonly reports: Record<string, SectionReport>
}

interface Chart {
  readonly file: string
  readonly title: string
  readonly unit: string
  readonly bars: readonly Bar[]
}

interface Bar {
  readonly label: string
  readonly isOurs: boolean
  readonly median: number
  readonly min: number
  readonly max: number
}

const width = 760
const left = 290
const rowHeight = 26
const top = 54

const run = JSON.parse(await readFile(process.argv[2] as string, 'utf8')) as Run
for (const chart of [verifyChart(), httpChart(), inboxChart(), startupChart()]) {
  await writeFile(new URL(`../docs/charts/${chart.file}`, import.meta.url), draw(chart))
}

/** As multiples of the floor, because the times from 400 B to 1 MiB do not fit one scale. */
function verifyChart(): Chart {
  const figures = figuresOf('verify', () => true)
  const bars = figures
    .filter(({ contender }) => contender === 'ours: verify' || contender === 'svix')
    .map((figure) => {
      const floor = figures.find(
        ({ scenario, contender }) => scenario === figure.scenario && contender === 'floor: HMAC, compare',
      )
      return bar(`${figure.scenario}: ${figure.contender.replace('ours: ', 'our ')}`, figure, floor?.median)
    })
  return { file: 'verify-by-bytes.svg', title: 'verify, by size of the body', unit: '× the time of the floor', bars }
}

function httpChart(): Chart {
  const figures = figuresOf('http', ({ scenario }) => scenario.endsWith(' 500 B'))
  const bars = figures.map((figure) => bar(`${figure.scenario.split(' ')[0]}: ${figure.contender}`, figure))
  return { file: 'http-by-host.svg', title: 'a delivery of 500 B over HTTP, by host', unit: unitOf(figures), bars }
}

function inboxChart(): Chart {
  const figures = figuresOf('inbox', ({ scenario }) => scenario.startsWith('fastify,'))
  const bars = figures.map((figure) => bar(figure.contender, figure))
  const title = 'deliveries of 500 B with an inbox, on Fastify over 32 connections'
  return { file: 'inbox-throughput.svg', title, unit: unitOf(figures), bars }
}

function startupChart(): Chart {
  const figures = figuresOf('startup', ({ scenario }) => scenario.startsWith('import'))
  const bars = figures.map((figure) => bar(figure.contender, figure))
  return { file: 'startup.svg', title: 'import in a new process', unit: unitOf(figures), bars }
}

function figuresOf(section: string, isWanted: (figure: Figure) => boolean): readonly Figure[] {
  const figures = run.reports[section]?.figures.filter(isWanted) ?? []
  if (figures.length === 0) throw new Error(`The run has no figures for ${section}. Run all sections, without --only.`)
  return figures
}

function unitOf([first]: readonly Figure[]): string {
  return first?.unit ?? ''
}

function bar(label: string, { contender, median, min, max }: Figure, divisor = 1): Bar {
  const isOurs = contender.startsWith('ours') || contender.startsWith('stored')
  return { label, isOurs, median: median / divisor, min: min / divisor, max: max / divisor }
}

/** Horizontal bars from the median, with a line from the fastest to the slowest round. */
function draw({ title, unit, bars }: Chart): string {
  const max = Math.max(...bars.map((one) => one.max))
  const scale = (value: number): number => (value / max) * (width - left - 110)
  const height = top + bars.length * rowHeight + 30
  const better = unit === 'req/s' ? 'more is better' : 'less is better'
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="13">`,
    `<title>${escaped(`${title}, in ${unit}`)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="16" y="24" font-size="16" font-weight="600" fill="#1f2328">${escaped(title)}</text>`,
    `<text x="16" y="42" fill="#59636e">${escaped(`${unit}, ${better}`)}</text>`,
    ...bars.map((one, index) => row(one, top + index * rowHeight, scale)),
    `<text x="16" y="${height - 10}" font-size="11" fill="#59636e">${escaped(`${run.machine}; ${run.at.slice(0, 10)}`)}</text>`,
    '</svg>',
    '',
  ].join('\n')
}

function row({ label, isOurs, median, min, max }: Bar, y: number, scale: (value: number) => number): string {
  const middle = y + 10
  return [
    `<text x="${left - 10}" y="${y + 14}" text-anchor="end" fill="#1f2328">${escaped(label)}</text>`,
    `<rect x="${left}" y="${y}" width="${scale(median).toFixed(1)}" height="20" rx="2" fill="${isOurs ? '#1f883d' : '#8c959f'}"/>`,
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

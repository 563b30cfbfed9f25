import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Figure, Section } from './report.ts'

const child = fileURLToPath(new URL('./memory-child.ts', import.meta.url))

interface Memory {
  readonly atFull: { readonly heap: number; readonly rss: number }
  readonly atEnd: { readonly heap: number; readonly rss: number }
}

/** Heap and RSS of a receiver after many deliveries, each a new event, compared with when its duplicate store first filled. */
export const memorySection: Section = {
  name: 'memory',
  async run(mode) {
    const deliveries = mode === 'full' ? 1_000_000 : 200_000
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...process.execArgv,
      '--expose-gc',
      child,
      String(deliveries),
    ])
    const { atFull, atEnd } = JSON.parse(stdout) as Memory
    const scenario = `${deliveries.toLocaleString('en')} deliveries`
    const figures = [
      figure(scenario, 'heap when 100,000 events are remembered', atFull.heap),
      figure(scenario, 'heap at the end', atEnd.heap),
      figure(scenario, 'RSS when 100,000 events are remembered', atFull.rss),
      figure(scenario, 'RSS at the end', atEnd.rss),
    ]
    return { figures, targets: [{ what: 'the heap grows by (MiB)', ratio: atEnd.heap - atFull.heap, atMost: 10 }] }
  },
}

function figure(scenario: string, contender: string, value: number): Figure {
  return { section: 'memory', scenario, contender, unit: 'MiB', median: value, min: value, max: value }
}

import { memoryDuplicates, sign, verify } from '@scrapenest-webhooks/core'
import { benchSecret } from './child-server.ts'
import { eventOfSize } from './events.ts'
import { loadWithEvents, startServer } from './http.ts'
import type { Figure, Mode, Section, Target } from './report.ts'

/**
 * How cost grows with body size, remembered events and connections. The section `inbox` shows how it grows with stored rows.
 */
export const growthSection: Section = {
  name: 'growth',
  async run(mode) {
    const figures = [...bodySizes(mode), ...rememberedEvents(mode), ...(await connections(mode))]
    return { figures, targets: targetsFor(figures) }
  },
}

function targetsFor(figures: readonly Figure[]): Target[] {
  const sizes = figures.filter(({ scenario }) => scenario === 'verify, by bytes of body')
  const perByte = ({ contender, median }: Figure): number => median / Number(contender.replaceAll(',', ''))
  return [
    {
      what: 'verify: time per byte at 4 MiB against 64 KiB',
      ratio: perByte(sizes.at(-1) as Figure) / perByte(sizes.find(({ contender }) => contender === '65,536') as Figure),
      atMost: 1.5,
    },
  ]
}

function bodySizes(mode: Mode): Figure[] {
  return [400, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304].map((bytes) => {
    const body = Buffer.from(eventOfSize(bytes))
    const headers = sign({ id: 'msg_growth', timestamp: new Date(), body }, benchSecret)
    const times = Math.max(5, Math.round((mode === 'full' ? 40_000_000 : 8_000_000) / (bytes + 4000)))
    return figure('verify, by bytes of body', {
      contender: bytes,
      unit: 'µs',
      samples: sample(5, times, () => verify({ headers, body }, benchSecret)),
    })
  })
}

function rememberedEvents(mode: Mode): Figure[] {
  const counts = mode === 'full' ? [1000, 10_000, 100_000, 1_000_000] : [1000, 10_000, 100_000]
  return counts.map((count) => {
    const store = memoryDuplicates({ maxEvents: 8_000_000 })
    let next = 0
    const remember = (): void => {
      const key = `scrapenest/5a3d9f0e-7c41-4c67-9d0c-${String(next).padStart(12, '0')}`
      next += 1
      const claim = store.claim(key, { expiresInMs: 900_000 }) as { token: string }
      store.complete(key, claim.token)
    }
    while (next < count) remember()
    // Few enough not to change the count.
    return figure('claim and complete, by events remembered', {
      contender: count,
      unit: 'µs',
      samples: sample(9, Math.min(count / 10, 20_000), remember),
    })
  })
}

async function connections(mode: Mode): Promise<Figure[]> {
  const figures: Figure[] = []
  const { child, port } = await startServer('fastify', 'ours')
  const amount = mode === 'full' ? 20_000 : 4000
  await loadWithEvents(port, { bytes: 500, amount })
  for (const count of [1, 8, 32, 128, 512]) {
    const { p50Ms, p99Ms } = await loadWithEvents(port, { bytes: 500, amount, connections: count })
    figures.push(figure('latency p50 on Fastify, by connections', { contender: count, unit: 'ms', samples: [p50Ms] }))
    figures.push(figure('latency p99 on Fastify, by connections', { contender: count, unit: 'ms', samples: [p99Ms] }))
  }
  child.kill()
  return figures.sort((a, b) => a.scenario.localeCompare(b.scenario))
}

/** Microseconds per call, one sample per round. The first round warms up and is not counted. */
function sample(rounds: number, times: number, call: () => unknown): number[] {
  const samples: number[] = []
  for (let round = 0; round <= rounds; round += 1) {
    const startedAtMs = performance.now()
    for (let index = 0; index < times; index += 1) call()
    if (round > 0) samples.push(((performance.now() - startedAtMs) * 1000) / times)
  }
  return samples
}

function figure(
  scenario: string,
  {
    contender,
    unit,
    samples,
  }: { readonly contender: number; readonly unit: string; readonly samples: readonly number[] },
): Figure {
  const sorted = [...samples].sort((a, b) => a - b)
  return {
    section: 'growth',
    scenario,
    contender: contender.toLocaleString('en'),
    unit,
    median: sorted[Math.floor(sorted.length / 2)] as number,
    min: sorted[0] as number,
    max: sorted.at(-1) as number,
  }
}

// The inbox against the same route without it, against one commit per request, and against itself with a million rows:
// `node --conditions=@scrapenest-webhooks/source bench/inbox.ts [--full]`. Exits 1 when a promised ratio is missed.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, fdatasyncSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs, styleText } from 'node:util'
import type { InboxEvent } from '@scrapenest-webhooks/core'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'
import { type ChildServer, startChild } from './child-server.ts'
import { loadWithEvents, measureDeliveries } from './http.ts'
import { type Figure, isMet, type Mode, machineLine, printReport, type Section, type Target, write } from './report.ts'
import { type Contender, interleave, medianFor, medianOf } from './rounds.ts'

const bytes = 500
const connections = 32

const amounts = {
  short: {
    kinds: ['none', 'put', 'each'],
    requests: 700,
    warmUp: 1200,
    rounds: 5,
    finished: [100_000],
    unfinished: [],
    puts: 1000,
    putRounds: 7,
    deliveries: 1500,
    deliveryRounds: 2,
    purged: 1500,
  },
  full: {
    kinds: ['none', 'put', 'process', 'each'],
    requests: 10_000,
    warmUp: 3000,
    rounds: 5,
    finished: [10_000, 100_000, 1_000_000],
    unfinished: [100_000],
    puts: 2000,
    putRounds: 15,
    deliveries: 10_000,
    deliveryRounds: 5,
    purged: 20_000,
  },
} as const

const names = {
  none: 'without an inbox',
  put: 'stored in the inbox',
  process: 'stored and handled',
  each: 'one commit per request',
} as const

export const inboxSection: Section = {
  name: 'inbox',
  async run(mode) {
    const folder = mkdtempSync(join(tmpdir(), 'scrapenest-bench-'))
    try {
      const parts = [measureSync(folder), await measureHttp(folder, mode), await measureRows(folder, mode)]
      parts.push(await measurePurge(folder, mode))
      return { figures: parts.flatMap(({ figures }) => figures), targets: parts.flatMap(({ targets }) => targets) }
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
}

interface Part {
  readonly figures: readonly Figure[]
  readonly targets: readonly Target[]
}

/** The time of the disk itself, the floor for every commit. */
function measureSync(folder: string): Part {
  const descriptor = openSync(join(folder, 'sync'), 'w')
  const page = Buffer.alloc(4096, 1)
  const times = Array.from({ length: 200 }, () => {
    writeSync(descriptor, page)
    const startedAtMs = performance.now()
    fdatasyncSync(descriptor)
    return performance.now() - startedAtMs
  }).sort((one, other) => one - other)
  closeSync(descriptor)
  const [min = 0, median = 0, max = 0] = [times[0], times[100], times.at(-1)]
  const figure = { section: 'inbox', scenario: 'the disk', contender: 'fdatasync of 4 KiB', unit: 'ms' }
  return { figures: [{ ...figure, median, min, max }], targets: [] }
}

async function measureHttp(folder: string, mode: Mode): Promise<Part> {
  const { kinds, requests, warmUp, rounds } = amounts[mode]
  const scenario = `fastify, ${connections} connections, ${bytes} B`
  const servers = await Promise.all(kinds.map((kind) => startServer(kind, join(folder, `${kind}.db`))))
  // Warms up all servers at once, without measuring: uncompiled code says nothing about the inbox.
  await Promise.all(servers.map(({ port }) => loadWithEvents(port, { bytes, amount: warmUp, connections })))
  const microseconds = kinds.map((): number[] => [])
  const contenders = kinds.map((kind, index): Contender => {
    const server = servers[index] as ChildServer
    const round = async (): Promise<number> => {
      const result = await measureDeliveries(server, { bytes, amount: requests, connections })
      microseconds[index]?.push(result.cpuPerDelivery)
      return result.repliesPerSecond
    }
    return { name: names[kind], round }
  })
  const rates = await interleave(contenders, { rounds, section: 'inbox', scenario, unit: 'req/s' })
  for (const { child } of servers) child.kill()
  const figures = rates.map((figure, index) => {
    // The first round warms up.
    const counted = (microseconds[index] as number[]).slice(1)
    return { ...figure, also: [{ unit: 'µs CPU', median: medianOf(counted) }] }
  })
  const stored = medianFor(figures, scenario, names.put)
  return {
    figures,
    targets: [
      {
        what: 'stored in the inbox, against the same route without one (aim: 0.60)',
        ratio: stored / medianFor(figures, scenario, names.none),
        atLeast: 0.4,
      },
      {
        what: 'stored in the inbox, against one commit per request',
        ratio: stored / medianFor(figures, scenario, names.each),
        atLeast: 2.5,
      },
    ],
  }
}

/**
 * Measures puts into an empty file and into files with many finished events, one at a time and many together. Also into a
 * file with a backlog, for which nothing is promised.
 */
async function measureRows(folder: string, mode: Mode): Promise<Part> {
  const { finished, unfinished, puts, putRounds } = amounts[mode]
  const stored = finished.map((rows) => ({
    name: besideFinished(rows),
    file: join(folder, `finished-${rows}.db`),
    rows,
  }))
  for (const { file, rows } of stored) await fill(file, { rows, finishedAtMs: Date.now() })
  const waiting = unfinished.map((rows) => ({
    name: `with ${rows.toLocaleString('en')} unfinished`,
    file: join(folder, `unfinished-${rows}.db`),
    rows,
  }))
  for (const { file, rows } of waiting) await fill(file, { rows })
  const figures: Figure[] = []
  const targets: Target[] = []
  for (const together of [1, connections]) {
    const scenario = `put, ${together} at a time`
    // When put one at a time, each waits for the disk.
    const load = { together, puts: together === 1 ? puts / 10 : puts }
    let round = 0
    const intoEmpty: Contender = {
      name: 'into an empty file',
      round: () => {
        round += 1
        return microsecondsPerPut(join(folder, `empty-${together}-${round}.db`), load)
      },
    }
    const intoStored = stored.map(({ name, file }): Contender => {
      const roundAndSettle = async (): Promise<number> => {
        const microseconds = await microsecondsPerPut(file, load)
        settle(file)
        return microseconds
      }
      return { name, round: roundAndSettle }
    })
    const intoWaiting = waiting.map(
      ({ name, file }): Contender => ({ name, round: () => microsecondsPerPut(file, load) }),
    )
    const contenders = [intoEmpty, ...intoStored, ...intoWaiting]
    figures.push(...(await interleave(contenders, { rounds: putRounds, section: 'inbox', scenario, unit: 'µs' })))
    const most = besideFinished(Math.max(...finished))
    const ratio = medianFor(figures, scenario, most) / medianFor(figures, scenario, intoEmpty.name)
    targets.push({ what: `${scenario}, ${most}, against an empty file`, ratio, atMost: 1.5 })
  }
  return { figures, targets }
}

function besideFinished(rows: number): string {
  return `with ${rows.toLocaleString('en')} finished`
}

async function microsecondsPerPut(
  file: string,
  { puts, together }: { readonly puts: number; readonly together: number },
): Promise<number> {
  await using inbox = sqliteInbox({ file })
  await inbox.stats()
  const events = Array.from({ length: puts }, () => inboxEvent())
  const startedAtMs = performance.now()
  await Promise.all(
    Array.from({ length: together }, async () => {
      for (let event = events.pop(); event !== undefined; event = events.pop()) await inbox.put(event)
    }),
  )
  return ((performance.now() - startedAtMs) * 1000) / puts
}

/**
 * Finishes the stored events, as workers would, so a round leaves no backlog for the next, and syncs them, so later commits
 * do not wait for them. Also reads the index that a put uses. At the measured rate it is entirely in memory, and pages
 * swapped out by the machine must not distort the result.
 */
function settle(file: string): void {
  const db = new DatabaseSync(file)
  db.exec(`
    PRAGMA synchronous = FULL;
    UPDATE events SET state = 'done', due_at_ms = NULL, finished_at_ms = ${Date.now()} WHERE state = 'ready';
    PRAGMA wal_checkpoint(TRUNCATE);
    SELECT count(*) FROM events INDEXED BY events_finished WHERE finished_at_ms IS NOT NULL`)
  db.close()
}

/** How long the slowest of a hundred deliveries waits, alternately during a purge and without one. */
async function measurePurge(folder: string, mode: Mode): Promise<Part> {
  const { deliveries, deliveryRounds, purged } = amounts[mode]
  const rows = purged * (deliveryRounds + 1)
  const firstMs = Date.now() - 8 * 86_400_000
  const file = join(folder, 'purge.db')
  await fill(file, { rows, finishedAtMs: firstMs })
  const { child, port } = await startServer('put', file)
  const p99 = async (): Promise<number> =>
    (await loadWithEvents(port, { bytes, amount: deliveries, connections })).p99Ms
  const normal: number[] = []
  const during: number[] = []
  for (let round = 0; round <= deliveryRounds; round += 1) {
    const before = await p99()
    let isPurging = true
    const done = once(child, 'message').then(([reply]) => {
      isPurging = false
      return reply as { readonly purged: number }
    })
    child.send({ purgeFinishedBeforeMs: firstMs + (round + 1) * purged })
    const meanwhile: number[] = []
    while (isPurging) {
      const sample = await p99()
      // The last sample may have been taken after the purge.
      if (isPurging || meanwhile.length === 0) meanwhile.push(sample)
    }
    const reply = await done
    if (reply.purged !== purged) throw new Error(`Expected ${purged} events to be purged, got ${reply.purged}.`)
    // The first round warms up.
    if (round > 0) {
      normal.push(before)
      during.push(...meanwhile)
    }
  }
  child.kill()
  const scenario = `99th percentile of deliveries, ${rows.toLocaleString('en')} done events to purge`
  const figures = [figureOf(scenario, 'normal', normal), figureOf(scenario, 'during the purge', during)]
  const [before, meanwhile] = figures.map(({ median }) => median) as [number, number]
  return {
    figures,
    targets: [{ what: 'the 99th percentile during a purge, against normal', ratio: meanwhile / before, atMost: 3 }],
  }
}

function figureOf(scenario: string, contender: string, samples: readonly number[]): Figure {
  const sorted = samples.toSorted((one, other) => one - other)
  const median = sorted[Math.floor(sorted.length / 2)] as number
  return {
    section: 'inbox',
    scenario,
    contender,
    unit: 'ms',
    median,
    min: sorted[0] as number,
    max: sorted.at(-1) as number,
  }
}

/**
 * Fills a file with many events, either ready, or done a millisecond apart from a given time on. SQLite itself generates
 * them.
 */
async function fill(
  file: string,
  { rows, finishedAtMs }: { readonly rows: number; readonly finishedAtMs?: number },
): Promise<void> {
  const inbox = sqliteInbox({ file })
  await inbox.stats()
  await inbox.close()
  const db = new DatabaseSync(file)
  // This file can be lost. A quarter of a GiB holds the pages that the random keys touch.
  db.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; BEGIN')
  const firstMs = finishedAtMs ?? Date.now() - rows
  for (let done = 0; done < rows; done += 50_000) {
    const count = Math.min(50_000, rows - done)
    const atMs = `${firstMs + done} + i`
    const progress = finishedAtMs === undefined ? `'ready', 0, ${atMs}, NULL` : `'done', 1, NULL, ${atMs}`
    db.exec(`
      INSERT INTO events (name, event_id, event_type, message_id, secret_index, sent_at_ms, received_at_ms, state, attempts,
        due_at_ms, finished_at_ms)
      SELECT 'scrapenest', lower(hex(randomblob(18))), 'job.completed', 'msg_' || lower(hex(randomblob(16))), 0, ${atMs},
        ${atMs}, ${progress}
      FROM (WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${count - 1}) SELECT i FROM n);
      INSERT INTO payloads SELECT id, '{"svix-id":"msg"}', randomblob(${bytes}) FROM events WHERE id > ${done};
      INSERT INTO attempts SELECT id, 1, 1, 0, finished_at_ms, 5, NULL FROM events
        WHERE id > ${done} AND finished_at_ms IS NOT NULL`)
  }
  db.exec('COMMIT; PRAGMA journal_mode = WAL')
  db.close()
  // Otherwise, the first measured commits would wait for all of it.
  const descriptor = openSync(file, 'r+')
  fsyncSync(descriptor)
  closeSync(descriptor)
}

function inboxEvent(): InboxEvent {
  const eventId = randomUUID()
  return {
    name: 'scrapenest',
    eventId,
    eventType: 'job.completed',
    messageId: `msg_${eventId}`,
    sentAt: new Date(),
    receivedAt: new Date(),
    signedHeaders: { 'svix-id': `msg_${eventId}`, 'svix-timestamp': '1700000000', 'svix-signature': 'v1,' },
    body: Buffer.alloc(bytes, 'x'),
    secretIndex: 0,
  }
}

function startServer(contender: string, file: string): Promise<ChildServer> {
  return startChild(new URL('./inbox-server.ts', import.meta.url), [contender, file])
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { full: { type: 'boolean' } } })
  const mode: Mode = values.full === true ? 'full' : 'short'
  write(`${machineLine()}, ${mode} run of ${new Date().toISOString()}`)
  write(`\n${styleText('underline', inboxSection.name)}`)
  const report = await inboxSection.run(mode, {})
  printReport(report)
  if (!report.targets.every(isMet)) process.exitCode = 1
}

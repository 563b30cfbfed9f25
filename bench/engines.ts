// `put` of the inboxes on shared engines against the engines' own `add` and `send` with the same options, interleaved:
// `node --conditions=@scrapenest-webhooks/source bench/engines.ts [--full]`. Exits 1 when a promised ratio is missed.
import { createHash, randomUUID } from 'node:crypto'
import { parseArgs, styleText } from 'node:util'
import type { InboxEvent } from '@scrapenest-webhooks/core'
import type { Inbox } from '@scrapenest-webhooks/inbox'
import { bullmqInbox } from '@scrapenest-webhooks/inbox-bullmq'
import { pgBossInbox } from '@scrapenest-webhooks/inbox-pg-boss'
import { type JobsOptions, Queue } from 'bullmq'
import { PgBoss, type SendOptions } from 'pg-boss'
import { type EngineServer, startPostgres, startRedis } from '../test/engines/servers.ts'
import { isMet, type Mode, machineLine, printReport, type Section, type SectionReport, write } from './report.ts'

/** The bytes of an event's body. */
const bytes = 500
/** Deliveries stored concurrently. */
const inFlight = 32
const day = 86_400

const putsPerTurn = 100
const amounts = { short: { turns: 15, rounds: 9 }, full: { turns: 40, rounds: 25 } } as const

export const enginesSection: Section = {
  name: 'engines',
  async run(mode) {
    const parts = [await measureBullmq(mode), await measurePgBoss(mode)]
    return { figures: parts.flatMap(({ figures }) => figures), targets: parts.flatMap(({ targets }) => targets) }
  },
}

async function measureBullmq(mode: Mode): Promise<SectionReport> {
  const redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'everysec'])
  const inbox = bullmqInbox({ connection: redis.url, prefix: 'ours' })
  const queue = new Queue('webhooks-scrapenest', { connection: { url: redis.url }, prefix: 'bare' })
  // The options that the inbox sets on each job.
  const options: JobsOptions = {
    attempts: 8,
    backoff: { type: 'custom' },
    removeOnComplete: { age: 7 * day },
    removeOnFail: false,
    stackTraceLimit: 1,
  }
  const ttl = 7 * day * 1000
  try {
    return await compare('BullMQ on Redis', mode, inbox, {
      name: 'queue.add',
      store: (event) =>
        queue.add(event.eventType, dataOf(event), {
          ...options,
          jobId: `e${randomUUID()}`,
          deduplication: { id: event.eventId, ttl },
        }),
    })
  } finally {
    await inbox.close()
    await queue.close()
    await redis.dispose()
  }
}

async function measurePgBoss(mode: Mode): Promise<SectionReport> {
  const postgres: EngineServer = await startPostgres()
  const inbox = pgBossInbox({ connectionString: postgres.url, schema: 'ours' })
  const boss = new PgBoss({ connectionString: postgres.url, schema: 'bare', schedule: false })
  boss.on('error', () => {})
  await boss.start()
  await boss.createQueue('bare/dead')
  await boss.createQueue('bare', { deadLetter: 'bare/dead' })
  const options: SendOptions = {
    retryLimit: 7,
    retryDelay: 30,
    retryBackoff: true,
    heartbeatSeconds: 60,
    expireInSeconds: 130,
    retentionSeconds: 3650 * day,
    deleteAfterSeconds: 7 * day,
    deadLetter: 'bare/dead',
  }
  try {
    return await compare('pg-boss on PostgreSQL', mode, inbox, {
      name: 'boss.send',
      // An id derived from the event id, which PostgreSQL needs to recognize duplicates.
      store: (event) => boss.send('bare', dataOf(event), { ...options, id: uuidOf(event.eventId) }),
    })
  } finally {
    await inbox.close()
    await boss.stop({ graceful: false })
    await postgres.dispose()
  }
}

interface Bare {
  readonly name: string
  store(event: InboxEvent): Promise<unknown>
}

/**
 * The contenders take turns of a hundred puts each, and each pair starts with the other one, so both share whatever the
 * machine and the server do in the meantime. A round is the sum of its turns. The ratio is the median of the rounds.
 */
async function compare(scenario: string, mode: Mode, inbox: Inbox, bare: Bare): Promise<SectionReport> {
  const { turns, rounds } = amounts[mode]
  const contenders: readonly Bare[] = [{ name: 'inbox.put', store: (event) => inbox.put(event) }, bare]
  const rates: number[][] = [[], []]
  for (let round = 0; round <= rounds; round += 1) {
    const tookMs = [0, 0]
    for (let turn = 0; turn < turns * 2; turn += 1) {
      const index = (turn + (turn >> 1)) % 2
      tookMs[index] = (tookMs[index] as number) + (await timeOf(createEvents(putsPerTurn), contenders[index] as Bare))
    }
    // The first round warms up.
    if (round === 0) continue
    for (const [index, ms] of tookMs.entries()) rates[index]?.push((turns * putsPerTurn * 1000) / ms)
  }
  const [ours, theirs] = rates as [number[], number[]]
  const ratio = medianOf(ours.map((rate, round) => rate / (theirs[round] as number)))
  const figures = contenders.map(({ name }, index) => {
    const samples = rates[index] as number[]
    const range = { min: Math.min(...samples), max: Math.max(...samples) }
    return { section: 'engines', scenario, contender: name, unit: 'puts/s', median: medianOf(samples), ...range }
  })
  return { figures, targets: [{ what: `${scenario}: inbox.put to ${bare.name}`, ratio, atLeast: 0.9 }] }
}

async function timeOf(events: InboxEvent[], { store }: Bare): Promise<number> {
  const startedAtMs = performance.now()
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      for (let event = events.pop(); event !== undefined; event = events.pop()) await store(event)
    }),
  )
  return performance.now() - startedAtMs
}

function medianOf(samples: readonly number[]): number {
  const sorted = [...samples].sort((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] as number
}

function createEvents(count: number): InboxEvent[] {
  return Array.from({ length: count }, () => {
    const eventId = randomUUID()
    const envelope = { event_id: eventId, event_type: 'job.created', data: { job_id: randomUUID(), filler: '' } }
    envelope.data.filler = 'x'.repeat(bytes - JSON.stringify(envelope).length)
    const at = new Date()
    return {
      name: 'scrapenest',
      eventId,
      eventType: 'job.created',
      messageId: `msg_${eventId}`,
      sentAt: at,
      receivedAt: at,
      signedHeaders: {
        'svix-id': `msg_${eventId}`,
        'svix-timestamp': '1700000000',
        'svix-signature': `v1,${'A'.repeat(43)}=`,
      },
      body: Buffer.from(JSON.stringify(envelope)),
      secretIndex: 0,
    }
  })
}

/** The content that an application without the inbox would have to store for an event. */
function dataOf({ body, sentAt, receivedAt, ...facts }: InboxEvent): object {
  return { ...facts, sentAt: +sentAt, receivedAt: +receivedAt, body: Buffer.from(body).toString() }
}

function uuidOf(eventId: string): string {
  const hex = createHash('sha256').update(eventId).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { full: { type: 'boolean' } } })
  const mode: Mode = values.full === true ? 'full' : 'short'
  write(`${machineLine()}, ${mode} run of ${new Date().toISOString()}`)
  write(`\n${styleText('underline', enginesSection.name)}`)
  const report = await enginesSection.run(mode, {})
  printReport(report)
  process.exitCode = report.targets.every(isMet) ? 0 : 1
}

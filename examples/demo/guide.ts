// ScrapeNest's guide "Webhooks end-to-end", from registering an endpoint to rotating its secret, including a crash.
import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, rm, stat } from 'node:fs/promises'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { styleText } from 'node:util'
import { ScrapeNestClient } from '@scrapenest-webhooks/client'
import { type Fault, type Simulator, startSimulator } from '@scrapenest-webhooks/simulator'
import type { Report } from './guide-server.ts'

let failures = 0

/** Follows the whole guide. Returns the number of unexpected results. */
export async function showGuide(): Promise<number> {
  failures = 0
  // Kept for inspection. The next run deletes it.
  const directory = fileURLToPath(new URL('./data', import.meta.url))
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory)
  // Shortens the delays between retries.
  const simulator = await startSimulator({ speed: 20, replyTimeoutMs: 5_000 })
  try {
    await walk(simulator, directory)
  } finally {
    await simulator.close()
  }
  return failures
}

async function walk(simulator: Simulator, directory: string): Promise<void> {
  const client = new ScrapeNestClient({
    apiKey: simulator.apiKey,
    baseUrl: simulator.url,
    allowInsecure: true,
    allowPrivateAddresses: true,
  })
  let server = await startServer(simulator, directory, '0')
  const { origin } = await server.next('listening')
  const { port } = new URL(origin)

  title('Register, submit, receive, download')
  const endpoint = await client.webhookEndpoints.create({ url: `${origin}/webhooks/scrapenest` })
  server.child.send({ secret: endpoint.secret })
  line(
    'registered',
    endpoint.secret.startsWith('whsec_'),
    `${endpoint.endpoint_id}, with a secret that is returned once`,
  )
  await scrapeAndDownload(client, simulator, server)
  const failed = await client.scrapeAsync({ job_type: 'light', target_url: 'http://127.0.0.1:1/connection-refused' })
  const alert = await server.next('completed', ({ jobId }) => jobId === failed.job_id)
  line('failed job reported', alert.status === 'failed', `job ${short(failed.job_id)}: ${alert.detail}`)

  title('Faults in transit, each followed by a successful retry')
  const faults: readonly (readonly [Fault, string])[] = [
    ['duplicate', '202 duplicate'],
    ['tamper', '400 signature_mismatch'],
    ['reserialize', '400 signature_mismatch'],
    ['stale', '400 timestamp_outside_tolerance'],
    ['drop', '400 body_aborted'],
  ]
  for (const [fault, expected] of faults) {
    const jobId = `job_${fault}`
    simulator.send(completed(jobId), [fault])
    const handled = await server.next('completed', (report) => report.jobId === jobId)
    const answered = await server.next('answered', ({ result }) => result === expected)
    const runs = server.seen.filter((report) => report.is === 'completed' && report.jobId === jobId).length
    line(
      fault,
      handled.status === 'succeeded' && runs === 1,
      `answered ${answered.result}, event handled ${runs === 1 ? 'once' : `${runs} times`}`,
    )
  }

  title('Crash while a handler runs')
  simulator.send(completed('job_that_takes_long'))
  const before = await server.next('working')
  const exited = once(server.child, 'exit')
  server.child.kill('SIGKILL')
  await exited
  line('killed', before.attempt === 1, 'SIGKILL while handling an acknowledged event')
  server = await startServer(simulator, directory, port)
  server.child.send({ secret: endpoint.secret })
  const after = await server.next('working')
  const recovered = await server.next('completed', ({ jobId }) => jobId === 'job_that_takes_long')
  line(
    'recovered',
    after.attempt === 2 && recovered.status === 'succeeded',
    `attempt ${after.attempt}, in a new process, completed it`,
  )

  title('Rotate the secret')
  const rotated = await client.webhookEndpoints.rotateSecret(endpoint.endpoint_id)
  server.child.send({ secret: rotated.secret })
  line('rotated', rotated.secret !== endpoint.secret, 'both secrets sign during the overlap')
  await scrapeAndDownload(client, simulator, server)
  const refused = server.seen.filter((report) => report.is === 'answered' && !report.result.startsWith('202'))
  line('no delivery lost', refused.length === 0, `${refused.length} deliveries refused since the restart`)

  const ended = once(server.child, 'exit')
  server.child.disconnect()
  await ended
}

async function scrapeAndDownload(client: ScrapeNestClient, simulator: Simulator, server: GuideServer): Promise<void> {
  const { job_id } = await client.scrapeAsync({
    job_type: 'standard',
    target_url: simulator.examplePageUrl,
    artifact_options: { include_html: true, include_screenshot: true },
  })
  line('submitted', true, `job ${short(job_id)}`)
  const end = await server.next('completed', ({ jobId }) => jobId === job_id)
  line('completed', end.status === 'succeeded', `${end.detail} artifacts`)
  for (let count = 0; count < Number(end.detail); count += 1) {
    const { type, path, sha256 } = await server.next('downloaded', ({ jobId }) => jobId === job_id)
    const { size } = await stat(path)
    line(`downloaded ${type}`, size > 0, `${relative(process.cwd(), path)}, ${size} bytes, sha256 ${sha256}`)
  }
}

interface GuideServer {
  readonly child: ChildProcess
  readonly seen: readonly Report[]
  /** Returns the next report of a kind, including reports that arrived earlier. Each is returned only once. */
  next<Kind extends Report['is']>(
    kind: Kind,
    fits?: (report: Extract<Report, { is: Kind }>) => boolean,
  ): Promise<Extract<Report, { is: Kind }>>
}

async function startServer(simulator: Simulator, directory: string, port: string): Promise<GuideServer> {
  const file = fileURLToPath(new URL('./guide-server.ts', import.meta.url))
  const child = fork(file, [directory, port, simulator.url, simulator.apiKey])
  const seen: Report[] = []
  const given = new Set<Report>()
  child.on('message', (report) => seen.push(report as Report))
  return {
    child,
    seen,
    async next(kind, fits = () => true) {
      type Wanted = Extract<Report, { is: typeof kind }>
      const endsAtMs = Date.now() + 15_000
      for (;;) {
        const found = seen.find(
          (report): report is Wanted => report.is === kind && !given.has(report) && fits(report as Wanted),
        )
        if (found !== undefined) {
          given.add(found)
          return found
        }
        if (Date.now() > endsAtMs || child.exitCode !== null) throw new Error(`The server did not report "${kind}".`)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    },
  }
}

function completed(job_id: string) {
  const data = {
    job_id,
    status: 'succeeded',
    artifact_count: 0,
    duration_ms: 1,
    completed_at: new Date().toISOString(),
    tags: ['é🔑', 1.5],
  }
  return {
    event_id: randomUUID(),
    event_type: 'job.completed',
    occurred_at: new Date().toISOString(),
    org_id: randomUUID(),
    org_slug: 'zürich',
    data,
  }
}

function title(text: string): void {
  process.stdout.write(`\n${styleText('bold', text)}\n`)
}

function line(what: string, isAsExpected: boolean, detail: string): void {
  if (!isAsExpected) failures += 1
  const mark = isAsExpected ? styleText('green', '✓') : styleText('red', '✗')
  process.stdout.write(`  ${mark} ${what.padEnd(24)} ${detail}\n`)
}

function short(jobId: string): string {
  return jobId.slice(0, 8)
}

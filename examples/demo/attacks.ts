// Real servers, real HTTP, and deliveries signed by an independent implementation (npm standardwebhooks). Prints each
// delivery, the server's reply, and what the handlers saw.
import { randomBytes, randomUUID } from 'node:crypto'
import { styleText } from 'node:util'
import type { ScrapeNestEvent } from '@scrapenest-webhooks/core'
import { Webhook } from 'standardwebhooks'
import { type DemoHost, hosts } from './servers.ts'

const secret = newSecret()

interface Attempt {
  readonly what: string
  readonly body: string
  readonly headers: Record<string, string>
  readonly expected: string
  /** What the handler must see. Absent if no handler may run. */
  readonly handled?: string
}

/** Sends every kind of delivery to every host. Returns the number of unexpected results. */
export async function showAttacks(): Promise<number> {
  failures = 0
  for (const host of hosts) await show(host)
  return failures
}

let failures = 0

async function show(host: DemoHost): Promise<void> {
  process.stdout.write(`\n${styleText('bold', host.name)}\n`)
  const seen: string[] = []
  const options = {
    secret,
    logger: { warn() {}, error() {} },
    onEvent: {
      'artifact.ready': (event) =>
        seen.push(`artifact.ready: a ${event.data.artifact_type} of job ${event.data.job_id}`),
      'job.completed': (event) =>
        seen.push(
          event.data.status === 'failed'
            ? `job.completed: job ${event.data.job_id} failed (${event.data.failure_reason})`
            : `job.completed: job ${event.data.job_id} has ${event.data.artifact_count} artifacts`,
        ),
    },
  } satisfies Parameters<DemoHost['start']>[0]

  const server = await host.start(options, false)
  for (const attempt of attempts()) await deliver(server.url, attempt, seen)
  await server.close()

  const misplaced = await host.start(options, true)
  const event = jobSucceeded()
  await deliver(
    misplaced.url,
    { ...signed(event), what: 'JSON parser before the webhook', expected: '500 raw_body_unavailable' },
    seen,
  )
  const forged = {
    ...signed(event, newSecret()),
    what: 'the same, with a forged signature',
    expected: '500 raw_body_unavailable',
  }
  await deliver(misplaced.url, forged, seen)
  await misplaced.close()
}

function attempts(): Attempt[] {
  const succeeded = signed(jobSucceeded())
  const reserialized = signed(JSON.stringify(jobSucceeded(), null, 2))
  return [
    {
      ...succeeded,
      what: 'job.completed, succeeded',
      expected: '202 accepted',
      handled: 'job.completed: job job_1 has 2 artifacts',
    },
    {
      ...signed(jobFailed()),
      what: 'job.completed, failed',
      expected: '202 accepted',
      handled: 'job.completed: job job_2 failed (timeout)',
    },
    {
      ...signed(artifactReady()),
      what: 'artifact.ready',
      expected: '202 accepted',
      handled: 'artifact.ready: a screenshot of job job_1',
    },
    {
      ...signed({ ...jobFailed(), event_type: 'monitor.changed' }),
      what: 'unknown event type',
      expected: '202 accepted',
    },
    { ...succeeded, what: 'first delivery, sent again', expected: '202 duplicate' },
    {
      ...succeeded,
      body: succeeded.body.replace('"artifact_count":2', '"artifact_count":9'),
      what: 'first delivery, body modified',
      expected: '400 signature_mismatch',
    },
    { ...signed(jobFailed(), newSecret()), what: 'signed with another secret', expected: '400 signature_mismatch' },
    {
      ...reserialized,
      body: JSON.stringify(JSON.parse(reserialized.body)),
      what: 're-serialized by a proxy',
      expected: '400 signature_mismatch',
    },
    {
      ...signed(jobFailed(), secret, -600),
      what: 'signed ten minutes ago',
      expected: '400 timestamp_outside_tolerance',
    },
    {
      ...signed(jobFailed(), secret, 600),
      what: 'signed ten minutes from now',
      expected: '400 timestamp_outside_tolerance',
    },
    { body: succeeded.body, headers: {}, what: 'unsigned', expected: '400 missing_header' },
  ]
}

async function deliver(url: string, attempt: Attempt, seen: string[]): Promise<void> {
  seen.length = 0
  const headers = { 'content-type': 'application/json', ...attempt.headers }
  const response = await fetch(url, { method: 'POST', headers, body: attempt.body })
  const reply = (await response.json()) as { status?: string; error?: string }
  const answered = `${response.status} ${reply.status ?? reply.error}`
  const isAsExpected = answered === attempt.expected && seen.join() === (attempt.handled ?? '')
  if (!isAsExpected) failures += 1
  const mark = isAsExpected ? styleText('green', '✓') : styleText('red', '✗')
  const color = response.ok ? 'green' : 'yellow'
  const handled = seen.length > 0 ? seen.join(', ') : styleText('dim', 'no handler ran')
  process.stdout.write(`  ${mark} ${attempt.what.padEnd(36)} ${styleText(color, answered.padEnd(32))} ${handled}\n`)
  if (!isAsExpected) process.stdout.write(`      expected ${attempt.expected}; ${attempt.handled ?? 'no handler'}\n`)
}

function signed(
  event: ScrapeNestEvent | object | string,
  key = secret,
  offsetSeconds = 0,
): Pick<Attempt, 'body' | 'headers'> {
  const body = typeof event === 'string' ? event : JSON.stringify(event)
  const id = `msg_${randomUUID()}`
  const sentAt = new Date(Date.now() + offsetSeconds * 1000)
  const signature = new Webhook(key).sign(id, sentAt, body)
  const timestamp = String(Math.floor(sentAt.getTime() / 1000))
  return { body, headers: { 'svix-id': id, 'svix-timestamp': timestamp, 'svix-signature': signature } }
}

function envelope(event_type: string, data: object): object {
  return {
    event_id: randomUUID(),
    event_type,
    occurred_at: new Date().toISOString(),
    org_id: randomUUID(),
    org_slug: 'zürich',
    data,
  }
}

function jobSucceeded(): object {
  return envelope('job.completed', {
    job_id: 'job_1',
    status: 'succeeded',
    artifact_count: 2,
    duration_ms: 3180,
    completed_at: new Date().toISOString(),
  })
}

function jobFailed(): object {
  return envelope('job.completed', {
    job_id: 'job_2',
    status: 'failed',
    failure_reason: 'timeout',
    duration_ms: 30_000,
    completed_at: new Date().toISOString(),
  })
}

function artifactReady(): object {
  return envelope('artifact.ready', {
    job_id: 'job_1',
    artifact_type: 'screenshot',
    download_url: 'https://artifacts.example/1.png',
  })
}

function newSecret(): string {
  return `whsec_${randomBytes(24).toString('base64')}`
}

import { createHmac } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import type { IncomingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { generateSecret, verify } from '@scrapenest-webhooks/core'
import { codeOf } from '@scrapenest-webhooks/core/adapter'
import type { Command } from 'commander'
import { describe, expect, it, vi } from 'vitest'
import { type CommandBench, openBench, storeDeadEvent } from '../../../test/cli/command-bench.ts'
import { listen, secret } from '../../../test/cli/local-server.ts'
import { type RunningCli, startCli } from '../../../test/cli/run-cli.ts'
import { createProgram } from '../src/program.ts'
import { reportFailure } from '../src/terminal/report-failure.ts'

/** Commander's own tree. `complete` and `help` only print. */
function commandsOf(command: Command): readonly Command[] {
  if (command.commands.length === 0) return command.name() === 'complete' ? [] : [command]
  return command.commands.flatMap(commandsOf)
}

function nameOf(command: Command): string {
  return command.parent?.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name()
}

const tree: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  commandsOf(createProgram()).map((command) => [nameOf(command), command.options.map(({ long }) => long ?? '')]),
)

interface Result {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  /** The first line of stdout, parsed. */
  readonly json: Record<string, unknown>
}

/** A command with its usual arguments, which an option changes. */
interface Trial {
  readonly bench: CommandBench
  readonly usual: readonly string[]
  /** Runs it with more arguments. */
  run(...more: string[]): Promise<Result>
  /** Runs it with these arguments only. */
  runOnly(...all: string[]): Promise<Result>
}

/** Shows what an option changes. */
type Check = (trial: Trial) => Promise<void>

/** Runs a command in this process, because starting a hundred takes a minute. */
async function runHere(words: readonly string[], env: Readonly<Record<string, string>>): Promise<Result> {
  const output = { stdout: '', stderr: '' }
  for (const name of ['REDIS_URL', 'DATABASE_URL']) vi.stubEnv(name, undefined)
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((chunk) => {
      output[stream] += String(chunk)
      return true
    }),
  )
  let failure: number | undefined
  try {
    await createProgram().parseAsync(words, { from: 'user' })
  } catch (error) {
    failure = reportFailure(error)
  } finally {
    for (const spy of spies) spy.mockRestore()
    vi.unstubAllEnvs()
  }
  const exitCode = failure ?? Number(process.exitCode ?? 0)
  process.exitCode = undefined
  return {
    ...output,
    exitCode,
    get json() {
      return JSON.parse(output.stdout.split('\n')[0] ?? '')
    },
  }
}

const json: Check = async ({ run }) => {
  expect((await run('--json')).json).toBeTypeOf('object')
}

const usesBaseUrl: Check = async ({ run }) => {
  let requests = 0
  const url = await listen((_request, response) => {
    requests += 1
    response.writeHead(404).end('{}')
  })
  expect(await run('--base-url', url)).toMatchObject({ exitCode: 3 })
  expect(requests).toBeGreaterThan(0)
}

const api = { '--base-url': usesBaseUrl, '--json': json }

/** Refuses, because no one can be asked. */
const needsYes: Check = async ({ usual, runOnly }) => {
  const result = await runOnly(...usual.filter((word) => word !== '--yes'))
  expect(result).toMatchObject({ exitCode: 2, stdout: '', stderr: expect.stringContaining('add --yes') })
}

function refusal(message: string, ...more: string[]): Check {
  return async ({ run }) => {
    expect(await run(...more)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(message) })
  }
}

/** The engine's URL is missing, and the file is not used. */
function engine(flag: string, variable: string): Check {
  return async ({ usual, runOnly }) => {
    const at = usual.indexOf('--file')
    const result = await runOnly(...usual.slice(0, at), flag)
    expect(result).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(`Set ${variable}`) })
  }
}

const place = {
  '--file': refusal('The file none.db does not exist', '--file', 'none.db'),
  '--redis': engine('--redis', 'REDIS_URL'),
  '--postgres': engine('--postgres', 'DATABASE_URL'),
  '--queue-prefix': refusal('--queue-prefix requires --redis or --postgres', '--queue-prefix', 'a'),
  '--redis-prefix': refusal('--redis-prefix requires --redis', '--redis-prefix', 'a'),
  '--schema': refusal('--schema requires --postgres', '--schema', 'a'),
  '--json': json,
}

/** Every one of these matches no event of the bench: it is dead, of the type artifact.ready, and has no scope. */
const others = {
  '--name': ['--name', 'other'],
  '--scope': ['--scope', 'other'],
  '--state': ['--state', 'done'],
  '--type': ['--type', 'job.created'],
  '--unhandled': ['--unhandled'],
} as const

function nothingMatches<Option extends keyof typeof others>(
  options: readonly Option[],
  nothing: (result: Result) => void,
  something: (result: Result) => void,
): Record<Option, Check> {
  const check =
    (option: Option): Check =>
    async ({ run }) => {
      nothing(await run(...others[option], '--json'))
      something(await run('--json'))
    }
  return Object.fromEntries(options.map((option) => [option, check(option)])) as Record<Option, Check>
}

function exitsWith(exitCode: number) {
  return (result: Result) => expect(result).toMatchObject({ exitCode })
}

function prints(expected: object) {
  return (result: Result) => expect(result.json).toMatchObject(expected)
}

interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly chunks: number
  readonly isWhole: boolean
}

/** A server that records what arrives and accepts everything. */
async function recordingServer(): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = []
  const url = await listen((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.once('error', () => {})
    request.once('close', () => {
      const body = Buffer.concat(chunks)
      received.push({ headers: request.headers, body, chunks: chunks.length, isWhole: request.complete })
    })
    request.once('end', () => response.end('{"status":"accepted"}'))
  })
  return { url, received }
}

/** What `verify` says about what a command sent, with the secret from the environment or another one. */
async function sentWith(
  { run }: Trial,
  more: readonly string[],
  signedWith = secret,
): Promise<{ received: Received[]; verdicts: string[] }> {
  const { url, received } = await recordingServer()
  await run('--to', url, ...more)
  await expect.poll(() => received.length).toBeGreaterThan(0)
  return { received, verdicts: received.map((delivery) => verdictOf(delivery, signedWith)) }
}

function verdictOf({ headers, body }: Received, signedWith: string): string {
  try {
    verify({ headers, body }, signedWith)
    return 'valid'
  } catch (error) {
    return String(codeOf(error))
  }
}

function sends(more: readonly string[], verdict: string): Check {
  return async (trial) => {
    expect(await sentWith(trial, more)).toMatchObject({ verdicts: [verdict] })
    expect(await sentWith(trial, [])).toMatchObject({ verdicts: ['valid'] })
  }
}

/** Starts the simulator and submits a job to it, which sends events. */
async function simulated(
  more: readonly string[],
  status = 202,
): Promise<{ cli: RunningCli; origin: string; apiKey: string; received: Received[]; signedWith: string }> {
  const received: Received[] = []
  const target = await listen((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.once('end', () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks), chunks: chunks.length, isWhole: true })
      response.writeHead(status).end()
    })
  })
  const cli = startCli(['simulate', '--port', '0', '--json', '--endpoint', target, ...more])
  const { url, apiKey, endpoints } = (await cli.line((line) => 'apiKey' in line)) as {
    url: string
    apiKey: string
    endpoints: { secret: string; endpoint_id: string }[]
  }
  const post = (path: string, body: object) =>
    fetch(`${url}${path}`, { method: 'POST', headers: { 'x-api-key': apiKey }, body: JSON.stringify(body) })
  await post(`/v1/webhook-endpoints/${endpoints[0]?.endpoint_id}/rotate-secret`, {})
  await post('/v1/jobs', { job_type: 'light', target_url: target })
  await expect.poll(() => received.length, { timeout: 10_000 }).toBeGreaterThan(0)
  return { cli, origin: url, apiKey, received, signedWith: endpoints[0]?.secret ?? '' }
}

function signaturesOf({ headers }: Received): readonly string[] {
  return String(headers['svix-signature']).split(' ')
}

function macOf({ headers, body }: Received, key: string | Buffer): string {
  const prefix = `${headers['svix-id']}.${headers['svix-timestamp']}.`
  return `v1,${createHmac('sha256', key).update(prefix).update(body).digest('base64')}`
}

/** What each option of each command changes. */
const checks: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  simulate: {
    '--port': async ({ runOnly }) => {
      const port = new URL(await listen(() => {})).port
      expect(await runOnly('simulate', '--port', port)).toMatchObject({
        exitCode: 3,
        stderr: expect.stringContaining(`Port ${port} is in use`),
      })
    },
    '--endpoint': async () => {
      expect((await simulated([])).received).not.toEqual([])
    },
    '--secret': async () => {
      const { received, cli } = await simulated(['--secret', secret])
      expect(received.map((delivery) => verdictOf(delivery, secret))).toContain('valid')
      expect(JSON.stringify(cli.lines)).not.toContain(secret)
    },
    '--speed': async () => {
      // The first delays are 5 and 20 s.
      const { cli } = await simulated(['--speed', '1000'], 500)
      expect(await cli.line(({ attempt }) => attempt === 3)).toMatchObject({ statusCode: 500 })
    },
    '--fault': async () => {
      const { cli } = await simulated(['--fault', 'tamper=1'])
      expect(await cli.line(({ attempt }) => attempt === 1)).toMatchObject({ faults: ['tamper'] })
    },
    '--rotation-overlap': async () => {
      expect((await simulated([])).received.map((delivery) => signaturesOf(delivery).length)).toContain(2)
      const { received } = await simulated(['--rotation-overlap', '0'])
      expect(received.map((delivery) => signaturesOf(delivery).length)).not.toContain(2)
    },
    '--url-ttl': async () => {
      const { received } = await simulated(['--url-ttl', '7'])
      const urls = () => received.map(({ body }) => /expires=(\d+)/.exec(String(body))?.[1]).filter(Boolean)
      await expect.poll(urls, { timeout: 10_000 }).not.toEqual([])
      const remainingMs = Number(urls()[0]) - Date.now()
      expect(remainingMs).toBeLessThan(7_000)
      expect(remainingMs).toBeGreaterThan(-60_000)
    },
    '--signature-key': async () => {
      const { received, signedWith } = await simulated(['--signature-key', 'text'])
      const [first] = received as [Received]
      expect(signaturesOf(first)).toContain(macOf(first, signedWith))
    },
    '--json': async () => {
      const { cli } = await simulated([])
      expect(cli.lines[0]).toHaveProperty('apiKey')
    },
  },
  trigger: {
    '--to': async (trial) => {
      expect((await sentWith(trial, [])).received).toHaveLength(1)
    },
    '--secret': async (trial) => {
      const other = generateSecret()
      expect(await sentWith(trial, ['--secret', other], other)).toMatchObject({ verdicts: ['valid'] })
    },
    '--override': async (trial) => {
      const { received } = await sentWith(trial, ['--override', 'data.job_id=mine'])
      expect(JSON.parse(String(received[0]?.body))).toMatchObject({ data: { job_id: 'mine' } })
    },
    '--timeout': async ({ run }) => {
      const silent = await listen(() => {})
      const { exitCode, json } = await run('--to', silent, '--timeout', '0.1', '--json')
      expect({ exitCode, ...json }).toMatchObject({ exitCode: 1, isExpected: false, failure: expect.any(String) })
    },
    '--duplicate': async (trial) => {
      const { received } = await sentWith(trial, ['--duplicate'])
      expect(received).toHaveLength(2)
      expect(received[0]?.body).toEqual(received[1]?.body)
    },
    '--tamper': sends(['--tamper'], 'signature_mismatch'),
    '--stale': sends(['--stale'], 'timestamp_outside_tolerance'),
    '--reserialize': sends(['--reserialize'], 'signature_mismatch'),
    '--slow': async (trial) => {
      const { received, verdicts } = await sentWith(trial, ['--slow'])
      expect(received[0]?.chunks).toBeGreaterThan(1)
      expect(verdicts).toEqual(['valid'])
    },
    '--drop': async (trial) => {
      expect((await sentWith(trial, ['--drop'])).received).toMatchObject([{ isWhole: false }])
      expect((await sentWith(trial, [])).received).toMatchObject([{ isWhole: true }])
    },
    '--json': json,
  },
  verify: {
    '--body': async ({ bench, run }) => {
      const body = join(bench.folder, 'other')
      await writeFile(body, '{}')
      expect(await run('--body', body)).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('mismatch') })
    },
    '--header': async ({ run }) => {
      expect(await run('--header', 'svix-id: other')).toMatchObject({ exitCode: 1 })
    },
    '--headers': async ({ bench, run }) => {
      const headers = join(bench.folder, 'other')
      await writeFile(headers, 'svix-id: msg_1')
      const { exitCode, stdout } = await run('--headers', headers)
      expect({ exitCode, stdout }).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('missing_header') })
    },
    '--secret': async ({ run }) => {
      expect(await run('--secret', generateSecret())).toMatchObject({ exitCode: 1 })
      expect(await run('--secret', secret)).toMatchObject({ exitCode: 0 })
    },
    '--tolerance': async ({ run }) => {
      const inAnHour = ['--now', new Date(Date.now() + 3_600_000).toISOString()]
      expect(await run(...inAnHour)).toMatchObject({ exitCode: 1 })
      expect(await run(...inAnHour, '--tolerance', '4000')).toMatchObject({ exitCode: 0 })
    },
    '--now': async ({ run }) => {
      const result = await run('--now', '2020-01-01T00:00:00Z')
      expect(result).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('timestamp_outside_tolerance') })
    },
    '--json': json,
  },
  doctor: {
    '--secret': async ({ runOnly }) => {
      const { url, received } = await recordingServer()
      const other = generateSecret()
      await runOnly('doctor', url, '--secret', other, '--body-bytes', '1000')
      expect(received.map((delivery) => verdictOf(delivery, other))).toContain('valid')
      expect(received.map((delivery) => verdictOf(delivery, secret))).not.toContain('valid')
    },
    '--body-bytes': async ({ runOnly }) => {
      const { url, received } = await recordingServer()
      await runOnly('doctor', url, '--body-bytes', '3000')
      expect(Math.max(...received.map(({ body }) => body.length))).toBe(3000)
    },
    '--timeout': async ({ runOnly }) => {
      const silent = await listen(() => {})
      const { exitCode, json } = await runOnly('doctor', silent, '--timeout', '0.1', '--body-bytes', '1000', '--json')
      expect({ exitCode, ...json }).toMatchObject({ exitCode: 1, isHealthy: false })
    },
    '--json': json,
  },
  'endpoints list': api,
  'endpoints create': {
    ...api,
    '--name': async ({ run }) => prints({ name: 'mine' })(await run('--name', 'mine', '--json')),
    '--event': async ({ run }) => {
      const events = ['job.created', 'job.completed']
      prints({ enabled_events: events })(await run(...events.flatMap((event) => ['--event', event]), '--json'))
    },
    '--description': async ({ run }) => prints({ description: 'why' })(await run('--description', 'why', '--json')),
  },
  'endpoints rotate': { ...api, '--yes': needsYes },
  'endpoints delete': { ...api, '--yes': needsYes },
  'endpoints messages': {
    ...api,
    '--limit': async ({ run }) => {
      expect((await run('--limit', '1', '--json')).json['items']).toHaveLength(1)
    },
    '--cursor': async ({ run }) => {
      const [first, second] = (await run('--json')).json['items'] as { message_id: string }[]
      const { iterator, items } = (await run('--limit', '1', '--json')).json
      expect(items).toMatchObject([{ message_id: first?.message_id }])
      const next = await run('--limit', '1', '--cursor', String(iterator), '--json')
      expect(next.json['items']).toMatchObject([{ message_id: second?.message_id }])
    },
    '--reveal': async ({ run }) => {
      expect((await run('--json')).stdout).not.toMatch(/"download_url":"http[^"]*\?/)
      expect((await run('--json', '--reveal')).stdout).toMatch(/"download_url":"http[^"]*\?/)
    },
  },
  'endpoints attempts': {
    ...api,
    '--limit': async ({ run }) => prints({ limit: 7 })(await run('--limit', '7', '--json')),
    '--cursor': async ({ run }) => {
      const { items } = (await run('--json')).json as { items: { id: string }[] }
      prints({ items: [], done: true })(await run('--cursor', items[0]?.id ?? '', '--json'))
    },
  },
  'jobs create': {
    ...api,
    '--type': async ({ run }) => prints({ job_type: 'stealth' })(await run('--type', 'stealth', '--wait', '--json')),
    '--tag': async ({ run }) => prints({ tags: ['a', 'b'] })(await run('--tag', 'a', '--tag', 'b', '--wait', '--json')),
    '--idempotency-token': async ({ run }) => {
      const submit = async () => (await run('--idempotency-token', 'mine', '--json')).json['job_id']
      expect(await submit()).toBe(await submit())
    },
    '--override': async ({ run }) => prints({ tags: ['c'] })(await run('--override', 'tags=["c"]', '--wait', '--json')),
    '--wait': async ({ run }) => prints({ status: 'succeeded' })(await run('--wait', '--json')),
    '--timeout': async ({ bench, runOnly }) => {
      const silent = await listen(() => {})
      const more = ['--wait', '--timeout', '0.1', '-o', 'timeout_ms=5000', ...bench.api]
      expect(await runOnly('jobs', 'create', silent, ...more)).toMatchObject({
        exitCode: 3,
        stderr: expect.stringContaining('job_timeout'),
      })
    },
  },
  'jobs get': {
    ...api,
    '--reveal': async ({ run }) => {
      expect((await run()).stdout).not.toContain('http://127.0.0.1:1')
      expect((await run('--json')).stdout).not.toContain('download_url":"http')
      expect((await run('--reveal', '--json')).stdout).toContain('download_url":"http')
    },
  },
  'jobs list': {
    ...api,
    '--status': async ({ run }) => prints({ items: [] })(await run('--status', 'failed', '--json')),
    '--type': async ({ run }) => prints({ items: [] })(await run('--type', 'stealth', '--json')),
    '--tag': async ({ run }) => prints({ items: [] })(await run('--tag', 'none', '--json')),
    '--limit': async ({ run }) => prints({ limit: 7 })(await run('--limit', '7', '--json')),
    '--offset': async ({ run }) => {
      expect((await run('--json')).json['items']).toHaveLength(1)
      prints({ items: [], total: 1 })(await run('--offset', '1', '--json'))
    },
  },
  'artifacts download': {
    ...api,
    '--to': async ({ bench, run }) => {
      const to = join(bench.folder, 'elsewhere')
      prints({ path: to })(await run('--to', to, '--json'))
    },
    '--sha256': async ({ run }) => {
      const result = await run('--sha256', '0'.repeat(64))
      expect(result).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('integrity_mismatch') })
    },
    '--force': async ({ run }) => {
      expect(await run()).toMatchObject({ exitCode: 0 })
      expect(await run()).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--force') })
      expect(await run('--force')).toMatchObject({ exitCode: 0 })
    },
  },
  'inbox stats': { ...place, ...nothingMatches(['--name'], exitsWith(1), exitsWith(0)) },
  'inbox list': {
    ...place,
    ...nothingMatches(
      ['--name', '--scope', '--state', '--type', '--unhandled'],
      prints({ events: [] }),
      prints({ events: [{ state: 'dead' }] }),
    ),
    '--limit': async (trial) => {
      await storeSecondEvent(trial)
      expect((await trial.run('--json')).json['events']).toHaveLength(2)
      expect((await trial.run('--limit', '1', '--json')).json['events']).toHaveLength(1)
    },
    '--cursor': async (trial) => {
      await storeSecondEvent(trial)
      const [, older] = (await trial.run('--json')).json['events'] as { eventId: string }[]
      const { nextCursor } = (await trial.run('--limit', '1', '--json')).json
      prints({ events: [{ eventId: older?.eventId }] })(await trial.run('--cursor', String(nextCursor), '--json'))
    },
  },
  'inbox show': {
    ...place,
    ...nothingMatches(['--name', '--scope'], exitsWith(1), exitsWith(0)),
    '--reveal': async ({ run }) => {
      expect((await run()).stdout).toContain('--reveal shows it')
      expect((await run('--reveal')).stdout).not.toContain('--reveal shows it')
    },
  },
  'inbox replay': {
    ...place,
    ...nothingMatches(['--name', '--scope', '--state', '--type', '--unhandled'], exitsWith(1), exitsWith(0)),
    '--yes': async ({ bench, runOnly }) => {
      const all = ['inbox', 'replay', '--state', 'dead', '--file', join(bench.folder, 'webhooks.db'), '--json']
      prints({ wouldReplay: 1 })(await runOnly(...all))
      prints({ replayed: 1 })(await runOnly(...all, '--yes'))
    },
  },
  'inbox purge': {
    ...place,
    ...nothingMatches(
      ['--name', '--scope', '--state', '--type', '--unhandled'],
      prints({ purged: 0 }),
      prints({ purged: 1 }),
    ),
    '--finished-before': async ({ run }) => {
      prints({ purged: 0 })(await run('--finished-before', '2020-01-01', '--json'))
      const notATime = await run('--finished-before', '9999-02-31', '--json')
      expect(notATime).toMatchObject({ exitCode: 2, stdout: '', stderr: expect.stringContaining('ISO 8601') })
      prints({ purged: 1 })(await run('--finished-before', '9999-01-01', '--json'))
    },
    '--yes': async ({ usual, runOnly }) => {
      prints({ wouldPurge: 1 })(await runOnly(...usual.filter((word) => word !== '--yes'), '--json'))
    },
  },
}

async function storeSecondEvent({ bench }: Trial): Promise<void> {
  await storeDeadEvent(join(bench.folder, 'webhooks.db'))
}

it('every command has its checks here', () => {
  expect(Object.keys(checks).sort()).toEqual(Object.keys(tree).sort())
})

describe.each(Object.entries(tree))('%s', (name, options) => {
  it('has a check of each option', () => {
    expect(Object.keys(checks[name] ?? {}).sort()).toEqual([...options].sort())
  })

  it.each(options)('%s has an effect', async (option) => {
    const bench = await openBench()
    const usual = [...name.split(' '), ...(bench.commands[name] ?? [])]
    const { env } = bench
    const runOnly = (...all: string[]): Promise<Result> => runHere(all, env)
    const check = checks[name]?.[option]
    await check?.({ bench, usual, runOnly, run: (...more) => runOnly(...usual, ...more) })
    expect.hasAssertions()
  })
})

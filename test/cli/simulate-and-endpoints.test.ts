import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { ScrapeNestClient } from '@scrapenest-webhooks/client'
import { describe, expect, it } from 'vitest'
import { environment, secret, startReceiver } from './local-server.ts'
import { runCli, startCli, stopAfterStart } from './run-cli.ts'

it('simulate delivers to the given endpoint and stops cleanly', async () => {
  const { url, events } = await startReceiver()
  const cli = startCli(['simulate', '--port', '0', '--endpoint', url, '--json', '--fault', 'duplicate=1'], {
    env: environment,
  })
  const started = await cli.line((line) => 'apiKey' in line)
  expect(started).toMatchObject({ endpoints: [{ url }], examplePageUrl: `${started['url']}/pages/example` })

  const client = new ScrapeNestClient({ apiKey: String(started['apiKey']), baseUrl: String(started['url']) })
  await client.scrapeAsync({ job_type: 'light', target_url: String(started['examplePageUrl']) })
  await cli.line((line) => line['event_type'] === 'job.completed' && line['attempt'] === 2)
  expect(cli.lines.find((line) => line['event_type'] === 'job.completed')).toMatchObject({
    attempt: 1,
    statusCode: 202,
    faults: ['duplicate'],
  })
  expect(events.filter(({ event_type }) => event_type === 'job.completed')).toHaveLength(1)
  expect(await cli.stop()).toBe(0)
  expect(JSON.stringify(cli.lines)).not.toContain(secret)
})

it('simulate prints the secret of an endpoint only if it generated it', async () => {
  const start = ['simulate', '--port', '0', '--endpoint', 'http://localhost:3000/webhooks/scrapenest']
  expect((await stopAfterStart(start, {})).stdout).toMatch(/secret {5}whsec_\S{44}\n/)
  expect((await stopAfterStart([...start, '--json'], {})).json()[0]).toMatchObject({
    endpoints: [{ secret: expect.stringMatching(/^whsec_/) }],
  })
  const given = [
    await stopAfterStart(start, environment),
    await stopAfterStart([...start, '--json'], environment),
    await stopAfterStart([...start, '--secret', secret], {}),
  ]
  for (const { stdout, stderr } of given) {
    expect(stdout).toContain('localhost:3000')
    expect(stdout + stderr).not.toContain(secret)
  }
  expect(given[1]?.json()[0]).toMatchObject({ endpoints: [{ endpoint_id: expect.stringMatching(/^ep_/) }] })
})

it.skipIf(process.platform === 'win32').each([
  ['does not show a secret from the environment', [], environment, false],
  ['shows a secret from an option', ['--secret', secret], {}, true],
] as const)('the process list %s', async (_does, option, env, isShown) => {
  const cli = startCli(['simulate', '--port', '0', '--json', ...option], { env })
  await cli.line((line) => 'apiKey' in line)
  const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'args=', '-p', String(cli.pid)])
  expect(stdout).toContain('simulate --port 0')
  expect(stdout.includes(secret)).toBe(isShown)
  expect(await cli.stop()).toBe(0)
})

it('simulate and endpoints create never print the password of an endpoint', async () => {
  const url = 'http://user:hunter2@localhost:1/'
  const cli = startCli(['simulate', '--port', '0', '--json', '--endpoint', url])
  const start = await cli.line((line) => 'apiKey' in line)
  expect(start['endpoints']).toMatchObject([{ url: 'http://localhost:1/' }])
  const env = { SCRAPENEST_API_KEY: String(start['apiKey']) }
  const created = await runCli(['endpoints', 'create', url, '--base-url', String(start['url'])], { env })
  expect(created.stdout).toContain('for http://localhost:1/\n')
  expect(created.exitCode).toBe(0)
})

it('simulate suggests --port when the port is in use', async () => {
  const cli = startCli(['simulate', '--port', '0', '--json'])
  const { port } = new URL(String((await cli.line((line) => 'apiKey' in line))['url']))
  expect(await runCli(['simulate', '--port', port])).toMatchObject({
    exitCode: 3,
    stderr: `error: Port ${port} is in use. Choose another port with --port, or any free port with --port 0.\n`,
  })
  expect(await cli.stop()).toBe(0)
})

describe('endpoints', () => {
  const url = 'http://localhost:3000/webhooks/scrapenest'

  /** Runs the command against a simulator with one endpoint. */
  async function setUp() {
    const cli = startCli(['simulate', '--port', '0', '--json', '--endpoint', url])
    const start = await cli.line((line) => 'apiKey' in line)
    const baseUrl = String(start['url'])
    const [endpoint] = start['endpoints'] as { endpoint_id: string; secret: string }[]
    const env = { SCRAPENEST_API_KEY: String(start['apiKey']) }
    const endpoints = (...parameters: string[]) => runCli(['endpoints', ...parameters, '--base-url', baseUrl], { env })
    return { baseUrl, endpoints, id: endpoint?.endpoint_id ?? '', secret: endpoint?.secret ?? '' }
  }

  it('creates and lists', async () => {
    const { endpoints, id } = await setUp()
    const created = await endpoints('create', url, '--event', 'artifact.ready', '--event', 'job.completed', '--json')
    expect(created.json()[0]).toMatchObject({
      url,
      enabled_events: ['artifact.ready', 'job.completed'],
      secret: expect.stringMatching(/^whsec_/),
    })
    expect((await endpoints('create', url)).stdout).toMatch(/^✓ Registered ep_\w+ for http:/)

    const listed = await endpoints('list')
    expect(listed.stdout.split('\n')[0]).toMatch(/^ID +STATUS +NAME +URL$/)
    expect(listed.stdout).toMatch(new RegExp(`^${id} +active +localhost:3000 +${url}$`, 'm'))
    expect((await endpoints('list', '--json')).json()[0]).toHaveLength(3)
  })

  it('rotates and deletes with --yes, and refuses without it when there is no terminal to ask on', async () => {
    const { endpoints, id, secret } = await setUp()
    for (const command of ['rotate', 'delete']) {
      const refused = await endpoints(command, id)
      expect(refused).toMatchObject({ exitCode: 2, stdout: '', stderr: expect.stringContaining('--yes') })
    }
    const rotated = await endpoints('rotate', id, '--yes')
    expect(rotated.stdout).toMatch(/secret {5}whsec_\S+\n.*not be shown again/)
    expect(rotated.stdout).not.toContain(secret)
    expect(await endpoints('delete', id, '--yes')).toMatchObject({ exitCode: 0, stdout: `✓ ${id} is deleted.\n` })
    expect((await endpoints('list')).stdout).toBe('No endpoints.\n')
  })

  it('exits with 3 when the API answers with an error', async () => {
    const { baseUrl, endpoints } = await setUp()
    expect(await endpoints('rotate', 'none', '--yes')).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('not_found'),
    })
    expect(await endpoints('create', 'https://example.com/')).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('validation_failed'),
    })
    const withoutKey = await runCli(['endpoints', 'list', '--base-url', baseUrl])
    expect(withoutKey).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('A simulator prints its own') })
    const wrongKey = await runCli(['endpoints', 'list', '--base-url', baseUrl], {
      env: { SCRAPENEST_API_KEY: 'sn_live_wrong' },
    })
    expect(wrongKey).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('authentication_failed') })
    expect(wrongKey.stderr).not.toContain('sn_live_wrong')
  })
})

it.each([
  [['simulate', '--fault', 'tampered=1'], 2, /Unknown fault/],
  [['simulate', '--fault', 'tamper=often'], 2, /between 0 and 1/],
  [['simulate', '--port', '70000'], 2, /--port/],
  [['simulate', '--endpoint', 'https://example.com/'], 2, /on this machine/],
  [['endpoints', 'list'], 2, /SCRAPENEST_API_KEY/],
  [
    ['endpoints', 'list', '--base-url', 'http://127.0.0.1:9'],
    3,
    /connection_failed/,
    { SCRAPENEST_API_KEY: 'sn_test_1' },
  ],
] as [string[], number, RegExp, Record<string, string>?][])(
  '%j exits with %i',
  async (parameters, exitCode, message, env = {}) => {
    const port = parameters[0] === 'simulate' && !parameters.includes('--port') ? ['--port', '0'] : []
    expect(await runCli([...parameters, ...port], { env })).toMatchObject({
      exitCode,
      stderr: expect.stringMatching(message),
    })
  },
)

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Job } from '@scrapenest-webhooks/client'
import { type Simulator, startSimulator } from '@scrapenest-webhooks/simulator'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listen, startReceiver } from './local-server.ts'
import { type CliResult, runCli } from './run-cli.ts'

let simulator: Simulator
let folder: string
beforeEach(async () => {
  simulator = await startSimulator({ jobDelayMs: 1, retryDelaysMs: [] })
  folder = await mkdtemp(join(tmpdir(), 'scrapenest-artifacts-'))
})
afterEach(async () => {
  await simulator.close()
  await rm(folder, { recursive: true, force: true })
})

function cli(...parameters: string[]): Promise<CliResult> {
  const env = { SCRAPENEST_API_KEY: simulator.apiKey }
  return runCli([...parameters, '--base-url', simulator.url], { env })
}

async function createJob(...options: string[]): Promise<Job> {
  const { stdout } = await cli('jobs', 'create', simulator.examplePageUrl, '--wait', '--json', ...options)
  return JSON.parse(stdout)
}

describe('jobs', () => {
  it('create submits a job, and returns the existing one for a repeated token', async () => {
    const token = ['--idempotency-token', 'one']
    const created = await cli('jobs', 'create', simulator.examplePageUrl, ...token)
    expect(created).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^✓ Submitted [\w-]{36}\n$/) })
    const again = await cli('jobs', 'create', simulator.examplePageUrl, ...token)
    expect(again.stdout).toMatch(/^✓ [\w-]{36} already existed \(\w+\)\.\n$/)
    expect((await cli('jobs', 'create', simulator.examplePageUrl, ...token, '--json')).json()).toMatchObject([
      { job_id: /Submitted (\S+)/.exec(created.stdout)?.[1], idempotent_replay: true },
    ])
  })

  it('create --wait shows the job and its artifacts, with the given fields', async () => {
    const { stdout, exitCode } = await cli(
      ...['jobs', 'create', simulator.examplePageUrl, '--wait', '--type', 'standard', '--tag', 'a', '--tag', 'b'],
      ...['-o', 'artifact_options.include_screenshot=true'],
    )
    expect(exitCode).toBe(0)
    expect(stdout).toContain('  status     succeeded\n')
    expect(stdout).toContain('  type       standard\n')
    expect(stdout).toContain('  tags       a, b\n')
    expect(stdout).toMatch(/^ {2}[\w-]{36} {2}screenshot {2}\d+ bytes$/m)
  })

  it('create --wait exits with 1 if the job fails, and with 3 on a timeout', async () => {
    expect(await cli('jobs', 'create', 'http://127.0.0.1:9/', '--wait')).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('  reason     connection_failed\n'),
    })
    const slow = await listen(() => {})
    expect(await cli('jobs', 'create', slow, '--wait', '--timeout', '0.3')).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('job_timeout'),
    })
  })

  it('get shows a download_url only with --reveal', async () => {
    const { job_id } = await createJob()
    for (const json of [[], ['--json']]) {
      const shown = await cli('jobs', 'get', job_id, ...json)
      expect(shown).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('manifest') })
      expect(shown.stdout).not.toContain('signature=')
      expect((await cli('jobs', 'get', job_id, '--reveal', ...json)).stdout).toContain('signature=')
    }
    expect(await cli('jobs', 'get', 'none')).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('not_found'),
    })
  })

  it('get masks a download_url that the API returns unrequested', async () => {
    const download_url = 'https://artifacts.example/1?signature=TOPSECRET'
    const job = {
      job_id: 'j1',
      status: 'succeeded',
      artifacts: [{ artifact_id: 'a', artifact_type: 'html', download_url }],
    }
    const baseUrl = await listen((_request, response) => response.end(JSON.stringify(job)))
    for (const json of [[], ['--json']]) {
      const options = { env: { SCRAPENEST_API_KEY: 'sn_test_1' } }
      const { stdout } = await runCli(['jobs', 'get', 'j1', '--base-url', baseUrl, ...json], options)
      expect(stdout).toContain('https://artifacts.example/… (--reveal shows it)')
      expect(stdout).not.toContain('TOPSECRET')
    }
  })

  it('list filters and prints the next offset', async () => {
    expect((await cli('jobs', 'list')).stdout).toBe('No matching jobs.\n')
    const first = await createJob('--tag', 'first')
    await createJob()
    const { stdout } = await cli('jobs', 'list', '--limit', '1')
    expect(stdout).toMatch(/^ID +STATUS +TYPE +CREATED +URL\n\S+ +succeeded +light +\S+ +http:/)
    expect(stdout).toContain('2 in total. For more, add --offset 1\n')
    expect((await cli('jobs', 'list', '--tag', 'first', '--json')).json()).toMatchObject([
      { total: 1, items: [{ job_id: first.job_id }] },
    ])
    expect((await cli('jobs', 'list', '--status', 'failed')).stdout).toBe('No matching jobs.\n')
    expect((await cli('jobs', 'list', '--type', 'stealth')).stdout).toBe('No matching jobs.\n')
    expect((await cli('jobs', 'list', '--offset', '2')).stdout).toBe('No matching jobs.\n')
  })
})

describe('artifacts download', () => {
  it('writes the artifact to a file, and overwrites an existing one only with --force', async () => {
    const { artifacts } = await createJob()
    const [html] = artifacts
    const to = join(folder, 'page.html')
    const download = ['artifacts', 'download', html?.artifact_id ?? '', '--to', to]
    expect((await cli(...download)).stdout).toBe(
      `✓ ${to}\n  bytes      ${html?.byte_size}\n  sha256     ${html?.content_hash}\n`,
    )
    expect(await readFile(to, 'utf8')).toContain('<h1>An item</h1>')
    await writeFile(to, 'mine')
    expect(await cli(...download)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--force') })
    expect(await readFile(to, 'utf8')).toBe('mine')
    expect((await cli(...download, '--force', '--json')).json()).toMatchObject([
      { path: to, byteLength: html?.byte_size },
    ])
    expect(await readFile(to, 'utf8')).toContain('<h1>An item</h1>')
  })

  it('writes to a path that contains ..', async () => {
    const { artifacts } = await createJob()
    const parameters = ['artifacts', 'download', artifacts[0]?.artifact_id ?? '', '--to', 'none/../page.html']
    const run = () =>
      runCli([...parameters, '--base-url', simulator.url], {
        cwd: folder,
        env: { SCRAPENEST_API_KEY: simulator.apiKey },
      })
    expect(await run()).toMatchObject({ exitCode: 0 })
    expect(await readdir(folder)).toEqual(['page.html'])
    expect(await run()).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--force') })
  })

  it('leaves no file if the bytes do not match or the artifact does not exist', async () => {
    const { artifacts } = await createJob()
    const to = ['--to', join(folder, 'page.html')]
    const id = artifacts[0]?.artifact_id ?? ''
    expect(await cli('artifacts', 'download', id, ...to, '--sha256', '0'.repeat(64))).toMatchObject({
      exitCode: 3,
      stdout: '',
      stderr: expect.stringContaining('integrity_mismatch'),
    })
    expect(await cli('artifacts', 'download', 'none', ...to)).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('not_found'),
    })
    expect(await cli('artifacts', 'download', id)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('--to'),
    })
    expect(await readdir(folder)).toEqual([])
  })
})

describe('endpoints', () => {
  it('messages and attempts show the deliveries, without a download_url', async () => {
    const { url } = await startReceiver()
    const { id } = simulator.register({ url })
    expect((await cli('endpoints', 'messages', id)).stdout).toBe('No messages.\n')
    await createJob()
    await simulator.idle()
    const { stdout } = await cli('endpoints', 'messages', id)
    expect(stdout).toMatch(/^MESSAGE +STATUS +TYPE +EVENT +SENT\n/)
    expect(stdout).toMatch(/^msg_\w+ +failed +artifact\.ready +[\w-]{36} +2\S+Z$/m)
    const masked = await cli('endpoints', 'messages', id, '--json')
    expect(masked.stdout).toContain('(--reveal shows it)')
    expect(masked.stdout).not.toContain('signature=')
    expect((await cli('endpoints', 'messages', id, '--json', '--reveal')).stdout).toContain('signature=')

    const [message] = simulator.messages
    const attempts = await cli('endpoints', 'attempts', id, message?.id ?? '')
    expect(attempts.stdout).toMatch(
      /^STATUS +CODE +MS +SENT +REPLY\nfailed +400 +\d+ +2\S+Z +\{"error":"signature_mismatch"\}\n$/,
    )
    expect((await cli('endpoints', 'attempts', id, message?.id ?? '', '--json')).json()).toMatchObject([
      { items: [{ status_code: 400 }], done: true },
    ])
    expect(await cli('endpoints', 'attempts', id, 'none')).toMatchObject({ exitCode: 3 })
  })

  it('messages are paginated', async () => {
    const { url } = await startReceiver()
    const { id } = simulator.register({ url })
    await createJob()
    await simulator.idle()
    const seen: string[] = []
    for (let cursor: string[] = []; ; ) {
      const { stdout } = await cli('endpoints', 'messages', id, '--limit', '3', ...cursor)
      seen.push(...(stdout.match(/^msg_\w+/gm) ?? []))
      const [, next] = /For more, add --cursor (\S+)/.exec(stdout) ?? []
      if (next === undefined) break
      cursor = ['--cursor', next]
    }
    expect(seen).toEqual(simulator.messages.map((message) => message.id).reverse())
  })
})

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { environment, listen, secret, startReceiver } from './local-server.ts'
import { runCli } from './run-cli.ts'
import { untrustedCertificate } from './untrusted-certificate.ts'

describe('trigger', () => {
  it('sends a signed event with overridden fields', async () => {
    const { url, events } = await startReceiver()
    const overrides = [
      '-o',
      'data.status=failed',
      '-o',
      'data.failure_reason=blocked',
      '-o',
      'data.duration_ms=5',
      '-o',
      'org_slug=zürich',
    ]
    const { exitCode, stdout } = await runCli(['trigger', 'job.completed', '--to', url, ...overrides], {
      env: environment,
    })
    expect(stdout).toMatch(/^✓ job\.completed 202 \{"status":"accepted"\} \d+ ms\n$/)
    expect(exitCode).toBe(0)
    expect(events).toMatchObject([
      {
        event_type: 'job.completed',
        org_slug: 'zürich',
        data: { status: 'failed', failure_reason: 'blocked', duration_ms: 5 },
      },
    ])
    expect(events[0]?.data).not.toHaveProperty('artifact_count')
  })

  it('signs with the newest secret of a list, which is separated by commas, as in the guide to rotation', async () => {
    const { url } = await startReceiver()
    const accepts = async (list: string): Promise<unknown> =>
      (await runCli(['trigger', 'job.created', '--to', url], { env: { SCRAPENEST_WEBHOOK_SECRET: list } })).exitCode
    expect(await accepts(`${secret},${generateSecret()}`)).toBe(0)
    expect(await accepts(`${generateSecret()},${generateSecret()}`)).toBe(1)
  })

  it('sends event types outside the catalog, and names those of the catalog', async () => {
    const unknown: unknown[] = []
    const { url } = await startReceiver({ onUnknownEvent: (event) => void unknown.push(event) })
    const { stdout } = await runCli(['trigger', 'monitor.changed', '--to', url, '-o', 'data.ratio=0.5'], {
      env: environment,
    })
    expect(stdout).toContain(
      "monitor.changed is not one of ScrapeNest's event types: job.created, job.completed, artifact.ready.",
    )
    expect(unknown).toMatchObject([{ event_type: 'monitor.changed', data: { ratio: 0.5 } }])
  })

  it.each([
    ['--tamper', 400, 'signature_mismatch', 0],
    ['--stale', 400, 'timestamp_outside_tolerance', 0],
    ['--reserialize', 400, 'signature_mismatch', 0],
    ['--slow', 202, 'accepted', 1],
    ['--drop', undefined, '', 0],
  ])('%s gets the expected reply', async (option, status, word, handled) => {
    const { url, events } = await startReceiver()
    const result = await runCli(['trigger', 'job.created', '--to', url, option, '--json'], { env: environment })
    expect(result.json()).toMatchObject([{ isExpected: true }])
    expect(result.json()[0]?.['statusCode']).toBe(status)
    expect(result.json()[0]?.['responseBody']).toContain(word)
    expect(result.exitCode).toBe(0)
    expect(events).toHaveLength(handled)
  })

  it('--duplicate sends the same event twice, and the handler runs once', async () => {
    const { url, events } = await startReceiver()
    const { stdout, exitCode } = await runCli(['trigger', 'job.created', '--to', url, '--duplicate'], {
      env: environment,
    })
    expect(stdout.split('\n').map((line) => /"status":"(\w+)"/.exec(line)?.[1])).toEqual([
      'accepted',
      'duplicate',
      undefined,
    ])
    expect(exitCode).toBe(0)
    expect(events).toHaveLength(1)
  })

  it('exits with 1 if the server does not reply as it should', async () => {
    const { url } = await startReceiver({ secret: generateSecret() })
    expect(await runCli(['trigger', 'job.created', '--to', url], { env: environment })).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('✗ job.created 400'),
    })
    const gone = await runCli(['trigger', 'job.created', '--to', 'http://127.0.0.1:9/'], { env: environment })
    expect(gone).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('ECONNREFUSED') })
  })

  it('names the status of an HTML error page and refers to the log, without printing the page', async () => {
    const url = await listen((_request, response) => {
      response.writeHead(500, { 'content-type': 'text/html' }).end('<!DOCTYPE html><html>…</html>')
    })
    const { stdout } = await runCli(['trigger', 'job.created', '--to', url], { env: environment })
    expect(stdout).toMatch(/^✗ job\.created 500 \(an HTML page\) \d+ ms\n {2}The server's log shows the cause\.\n$/)
  })

  it('says what to do if the reply is unexpected or no server listens', async () => {
    const { url } = await startReceiver({ secret: generateSecret() })
    const refused = await runCli(['trigger', 'job.created', '--to', url], { env: environment })
    expect(refused.stdout.split('\n')[1]).toBe(`  To find the cause, run: npx scrapenest-webhooks doctor '${url}'`)
    const gone = 'http://user:password@127.0.0.1:9/hook'
    const unreached = await runCli(['trigger', 'job.created', '--to', gone], { env: environment })
    expect(unreached.stdout).toContain(
      'Nothing listens at http://127.0.0.1:9/hook. Start your server, or use --to <url>.',
    )
    const json = await runCli(['trigger', 'job.created', '--to', url, '--json'], { env: environment })
    expect(json.json()).toHaveLength(1)
  })

  it('exits with 1 if --drop reaches no server', async () => {
    const gone = await runCli(['trigger', 'job.created', '--to', 'http://127.0.0.1:9/', '--drop'], { env: environment })
    expect(gone).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('✗ job.created') })
  })

  it.each(['--tamper', '--stale', '--reserialize'])('exits with 1 if %s is answered 404', async (fault) => {
    const url = await listen((request, response) => request.resume().on('end', () => response.writeHead(404).end()))
    const result = await runCli(['trigger', 'job.created', '--to', url, fault], { env: environment })
    expect(result).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('✗ job.created 404') })
  })

  it('prints the target of a redirect', async () => {
    const url = await listen((request, response) => {
      request.resume().on('end', () => response.writeHead(308, { location: '/hook/' }).end())
    })
    const result = await runCli(['trigger', 'job.created', '--to', url], { env: environment })
    expect(result).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('redirects to /hook/') })
  })

  it('names an untrusted certificate', async () => {
    const server = createTlsServer(untrustedCertificate, (_request, response) => response.writeHead(202).end())
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    onTestFinished(() => void server.close())
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const result = await runCli(['trigger', 'job.created', '--to', url], { env: environment })
    expect(result).toMatchObject({
      exitCode: 1,
      stdout: expect.stringMatching(/certificate.*\(DEPTH_ZERO_SELF_SIGNED_CERT\)/),
    })
  })

  it('sends data, nested fields and long numbers exactly as given', async () => {
    const { url } = await startReceiver()
    const send = async (...overrides: string[]) => {
      const options = overrides.flatMap((override) => ['-o', override])
      return (await runCli(['trigger', 'job.completed', '--to', url, '--json', ...options], { env: environment }))
        .stdout
    }
    expect(await send('data={"job_id":"j1","status":"failed"}')).toContain('"data":{"job_id":"j1","status":"failed"}')
    expect(await send('data.meta.region=eu')).toContain('"meta":{"region":"eu"}')
    expect(await send('data.job_id=12345678901234567890')).toContain('"job_id":12345678901234567890,')
  })

  it('signs with the newest secret of a rotation', async () => {
    const { url } = await startReceiver()
    for (const list of [`${secret},${generateSecret()}`, `${secret},`, ` ${secret} , ${generateSecret()}`]) {
      const env = { SCRAPENEST_WEBHOOK_SECRET: list }
      expect(await runCli(['trigger', 'job.created', '--to', url], { env })).toMatchObject({ exitCode: 0 })
    }
  })

  it('escapes the reply of a hostile server', async () => {
    const attack = '\u001b]0;owned\u0007\u001b[2J\u202e'
    const url = await listen((request, response) => request.resume().on('end', () => response.end(attack)))
    for (const json of [[], ['--json']]) {
      const { stdout } = await runCli(['trigger', 'job.created', '--to', url, ...json], { env: environment })
      expect(stdout).toContain('\\u001b]0;owned\\u0007')
      expect(stdout.trimEnd()).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    }
  })

  it.each([
    [['trigger', 'job.created'], /SCRAPENEST_WEBHOOK_SECRET/, {}],
    [['trigger', 'job.created', '-o', 'nothing'], /key=value/, environment],
    [['trigger', 'job.created', '--to', 'nowhere'], /Expected a URL/, environment],
    [['trigger', 'job.created', '--secret', 'whsec_short'], /configuration_invalid/, {}],
    [['nonsense'], /unknown command/, {}],
  ])('exits with 2 when called incorrectly: %j', async (parameters, message, env) => {
    const { exitCode, stderr, stdout } = await runCli(parameters, { env })
    expect(stderr).toMatch(message)
    expect(stdout).toBe('')
    expect(exitCode).toBe(2)
  })
})

describe('verify', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'scrapenest-verify-'))
  })
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  const event = createEvent('job.completed', { org_slug: 'zürich' })

  async function verify(
    options: {
      body?: string | Uint8Array
      headers?: object | string
      signed?: object | string | Uint8Array
      sentAt?: Date
      parameters?: string[]
      env?: Record<string, string>
    } = {},
  ) {
    const delivery = signDelivery(options.signed ?? event, {
      secret,
      id: 'msg_1',
      ...(options.sentAt && { sentAt: options.sentAt }),
    })
    const headers =
      options.headers ??
      Object.entries(delivery.headers)
        .map(([name, value]) => `${name}: ${value}`)
        .join('\n')
    await writeFile(join(folder, 'body'), options.body ?? delivery.body)
    await writeFile(join(folder, 'headers'), typeof headers === 'string' ? headers : JSON.stringify(headers))
    const parameters = [
      'verify',
      '--headers',
      join(folder, 'headers'),
      '--body',
      join(folder, 'body'),
      ...(options.parameters ?? []),
    ]
    return { delivery, ...(await runCli(parameters, { env: options.env ?? { ...environment } })) }
  }

  it('reports a valid delivery and its event', async () => {
    const { stdout, exitCode } = await verify()
    expect(exitCode).toBe(0)
    expect(stdout).toContain('✓ The signature is valid.')
    expect(stdout).toContain(`job.completed ${event.event_id}`)
    const other = await verify({ parameters: ['--secret', generateSecret(), '--secret', secret, '--json'] })
    expect(other.json()).toMatchObject([
      { isValid: true, messageId: 'msg_1', secretIndex: 1, event: { event_type: 'job.completed' } },
    ])
  })

  it('reads headers from JSON or options, and a body of any bytes from stdin', async () => {
    const body = Buffer.from([0xff, 0x00, 0xfe, 0x0a])
    const { headers } = signDelivery(body, { secret })
    const options = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name.toUpperCase()}: ${value}`])
    const result = await runCli(['verify', '-b', '-', ...options, '--json'], { env: environment, input: body })
    expect(result.json()).toMatchObject([{ isValid: true, event: { problem: expect.stringContaining('not UTF-8') } }])
    const { delivery } = await verify()
    expect((await verify({ body: delivery.body, headers: delivery.headers })).exitCode).toBe(0)
  })

  it('tries every secret of a rotation', async () => {
    const env = { SCRAPENEST_WEBHOOK_SECRET: `${generateSecret()},${secret}` }
    expect((await verify({ env, parameters: ['--json'] })).json()).toMatchObject([{ isValid: true, secretIndex: 1 }])
  })

  const compact = JSON.stringify(event)
  /** The same JSON as other languages write it. */
  const escaped = {
    none: '{"name":"zürich","url":"https://a.example/?b=<c>&d"}',
    python: String.raw`{"name": "z\u00fcrich", "url": "https://a.example/?b=<c>&d"}`,
    php: String.raw`{"name":"z\u00fcrich","url":"https:\/\/a.example\/?b=<c>&d"}`,
    phpSlashes: String.raw`{"name":"zürich","url":"https:\/\/a.example\/?b=<c>&d"}`,
    go: String.raw`{"name":"zürich","url":"https://a.example/?b=\u003cc\u003e\u0026d"}`,
  }
  it.each([
    ['a line break added at the end', compact, `${compact}\n`, /ends with a line break/],
    ['a line break removed from the end', `${compact}\r\n`, compact, undefined],
    ['indentation added', compact, JSON.stringify(event, null, 2), /signed form is compact/],
    ['indentation removed', JSON.stringify(event, null, 2), compact, /indented by two spaces/],
    ['escapes of Python removed', escaped.python, escaped.none, /comma and colon and escapes .* as Python/],
    ['escapes of PHP removed', escaped.php, escaped.none, /compact and escapes slashes .* ASCII, as PHP/],
    [
      'escaped slashes of PHP removed',
      escaped.phpSlashes,
      escaped.none,
      /compact and escapes slashes \(\\\/\), as PHP/,
    ],
    ['escapes of Go removed', escaped.go, escaped.none, /compact and escapes <, > and & .* as Go/],
    ['escapes added', escaped.none, escaped.php, /signed form is compact\./],
    ['a byte order mark added', compact, `\ufeff${compact}`, /byte order mark/],
    ['a letter changed', compact, compact.replace('job.completed', 'job.completes'), undefined],
  ])('explains how the body was modified: %s', async (_what, signed, body, hint) => {
    const result = await verify({ signed, body, parameters: ['--json'] })
    expect(result.exitCode).toBe(1)
    const [verdict] = result.json()
    expect(verdict).toMatchObject({ isValid: false, code: 'signature_mismatch' })
    if (hint === undefined) expect(verdict?.['hint']).toBeUndefined()
    else expect(verdict?.['hint']).toMatch(hint)
  })

  it('reports the age of a delivery, and verifies it as of a given time', async () => {
    const sentAt = new Date(Date.now() - 3_600_000)
    const stale = await verify({ sentAt })
    expect(stale.exitCode).toBe(1)
    expect(stale.stdout).toMatch(
      /✗ timestamp_outside_tolerance\n {2}The timestamp is too far from this server's clock\. It is 36\d\d s old/,
    )
    expect((await verify({ sentAt, parameters: ['--now', 'sent'] })).exitCode).toBe(0)
    expect((await verify({ sentAt, parameters: ['--now', sentAt.toISOString()] })).exitCode).toBe(0)
    expect((await verify({ sentAt, parameters: ['--tolerance', '4000'] })).exitCode).toBe(0)
    expect((await verify({ sentAt, parameters: ['--now', 'yesterday'] })).exitCode).toBe(2)
  })

  it.each([
    ['svix-id: msg_1', 'missing_header'],
    ['svix-id: msg_1\nsvix-timestamp: soon\nsvix-signature: v1,x', 'timestamp_invalid'],
  ])('explains why the headers %j are invalid', async (headers, code) => {
    expect((await verify({ headers, parameters: ['--json'] })).json()).toMatchObject([{ isValid: false, code }])
  })

  it('exits with 2 or 3 when it cannot verify', async () => {
    expect(await verify({ env: {} })).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('SCRAPENEST_WEBHOOK_SECRET'),
    })
    expect(await verify({ headers: '{ broken' })).toMatchObject({ exitCode: 2 })
    expect(await verify({ headers: '' })).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--header') })
    const missing = await runCli(['verify', '-b', join(folder, 'none'), '-H', 'svix-id: 1'], { env: environment })
    expect(missing).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('ENOENT') })
  })
})

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { scrapenestWebhooks as onExpress } from '@scrapenest-webhooks/express'
import { type Inbox, sqliteInbox } from '@scrapenest-webhooks/inbox'
import { scrapenestWebhooks as onNode } from '@scrapenest-webhooks/node'
import { generateSecret } from '@scrapenest-webhooks/testing'
import express from 'express'
import { describe, expect, it, onTestFinished } from 'vitest'
import { environment, listen, secret, startReceiver } from './local-server.ts'
import { type CliResult, runCli } from './run-cli.ts'
import { untrustedCertificate } from './untrusted-certificate.ts'

interface Finding {
  readonly id: string
  readonly verdict: string
  readonly summary: string
}

async function doctor(
  url: string,
  ...options: string[]
): Promise<CliResult & { faults: string[]; findings: Finding[] }> {
  const result = await runCli(['doctor', url, '--json', ...options], { env: environment })
  expect(result.stderr).toBe('')
  const findings = result.json()[0]?.['findings'] as Finding[]
  const faults = findings.filter(({ verdict }) => verdict === 'fault').map(({ id }) => id)
  return { ...result, findings, faults }
}

const logger = { warn() {}, error() {} }

it('reports no fault on a correct server, and runs none of its handlers', async () => {
  const { url, events } = await startReceiver()
  const { exitCode, findings, faults } = await doctor(url)
  expect(faults).toEqual([])
  expect(exitCode).toBe(0)
  expect(findings.map(({ id, verdict }) => `${verdict} ${id}`)).toEqual([
    'ok raw_bytes',
    'ok not_verified',
    'ok timestamps',
    'ok body_limit',
    'ok unchunked_only',
    'ok compressed_bodies',
    'ok reply_time',
    'ok get_requests',
  ])
  expect(events).toEqual([])
})

it('prints a readable report, without colors in a pipe', async () => {
  const { url } = await startReceiver()
  const { stdout, exitCode } = await runCli(['doctor', url], { env: environment })
  expect(exitCode).toBe(0)
  expect(stdout).toContain('✓ A signed delivery is accepted and verified over its exact bytes. raw_bytes')
  expect(stdout).toContain('No faults found.')
  expect(stdout).not.toContain('\u001b[')
})

it('detects a parser in front of the handler', async () => {
  const app = express()
  app.use(express.json())
  app.use(onExpress({ path: '/webhooks', secret, logger, onEvent: {} }))
  const { faults, exitCode } = await doctor(`${await listen(app)}/webhooks`)
  expect(faults).toEqual(['parser_first'])
  expect(exitCode).toBe(1)
})

/** Forwards each request with a rewritten body. */
function proxyTo(url: string, rewrite: (body: string) => string): Promise<string> {
  return listen(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString('utf8')
    const body = request.method === 'POST' ? rewrite(text) : text
    const { 'content-length': _, 'transfer-encoding': __, ...headers } = request.headers
    httpRequest(
      url,
      { method: request.method, headers: { ...headers, 'content-length': Buffer.byteLength(body) } },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      },
    ).end(body)
  })
}

function rewritten(write: (value: unknown) => string): (body: string) => string {
  return (body) => {
    try {
      return write(JSON.parse(body))
    } catch {
      return body
    }
  }
}

it.each([
  ['as JSON.stringify does', (value: unknown) => JSON.stringify(value)],
  [
    'with unusual formatting',
    (value: unknown) => (JSON.stringify(value) === '{}' ? '{}' : JSON.stringify(value, null, 3)),
  ],
])('detects a proxy that serializes JSON again, %s', async (_how, write) => {
  const { url } = await startReceiver()
  const { faults } = await doctor(await proxyTo(url, rewritten(write)))
  expect(faults).toEqual(['body_reserialized'])
})

it('detects a body limit that is too low, in the server and in front of it', async () => {
  const { url } = await startReceiver({ maxBodyBytes: 120_000 })
  const { faults, findings } = await doctor(url)
  expect(faults).toEqual(['body_limit'])
  expect(findings.find(({ id }) => id === 'body_limit')?.summary).toBe(
    'A body of 150000 bytes is answered 413 body_too_large; 100000 bytes are accepted.',
  )
  expect((await doctor(url, '--body-bytes', '100000')).faults).toEqual([])

  const app = express()
  app.use(
    express.json({
      limit: '100kb',
      verify: (request, _response, buffer) => Object.assign(request, { rawBody: buffer }),
    }),
  )
  app.use(onExpress({ path: '/webhooks', secret, logger, onEvent: {} }))
  const before = await doctor(`${await listen(app)}/webhooks`)
  expect(before.faults).toEqual(['body_limit'])
})

it('detects a different secret', async () => {
  const { url } = await startReceiver({ secret: generateSecret() })
  const { faults, findings } = await doctor(url)
  expect(faults).toEqual(['wrong_secret'])
  expect(findings[0]?.summary).toContain('400 signature_mismatch')
})

it.each([
  [600_000, 'ahead'],
  [-600_000, 'behind'],
])('detects a clock that is off by %i ms', async (offsetMs, side) => {
  const { url } = await startReceiver({ now: () => Date.now() + offsetMs })
  const { faults, findings } = await doctor(url)
  expect(faults).toEqual(['clock_off'])
  expect(findings[0]?.summary).toContain(`${side} by about ten minutes`)
})

it('detects a server that accepts unsigned deliveries', async () => {
  const url = await listen((request, response) => request.resume().on('end', () => response.writeHead(202).end()))
  const { faults } = await doctor(url)
  expect(faults).toEqual(['not_verified'])
})

it('detects a server that ignores the timestamp', async () => {
  const { url } = await startReceiver({ toleranceSeconds: 86_400 })
  expect((await doctor(url)).faults).toEqual(['timestamps'])
})

it('detects an unreachable server, and one that answers 404', async () => {
  const gone = await doctor('http://127.0.0.1:9/')
  expect(gone.faults).toEqual(['unreachable'])
  expect(gone.exitCode).toBe(1)
  const lost = await listen((request, response) => request.resume().on('end', () => response.writeHead(404).end()))
  const { exitCode, findings } = await doctor(lost)
  expect(exitCode).toBe(1)
  expect(findings).toMatchObject([
    { id: 'unexpected_reply', verdict: 'fault', summary: expect.stringContaining('404') },
  ])
})

it('detects a redirect and prints its target', async () => {
  const url = await listen((request, response) => {
    request.resume().on('end', () => response.writeHead(308, { location: '/hook/' }).end())
  })
  const { exitCode, findings } = await doctor(`${url}/hook`)
  expect(exitCode).toBe(1)
  expect(findings).toMatchObject([{ id: 'redirected', summary: 'A signed delivery is redirected (308) to /hook/.' }])
})

it('detects an untrusted certificate', async () => {
  const server = createTlsServer(untrustedCertificate, (_request, response) => response.writeHead(202).end())
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  onTestFinished(() => void server.close())
  const { exitCode, findings } = await doctor(`https://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  expect(exitCode).toBe(1)
  expect(findings).toMatchObject([{ id: 'certificate_untrusted', fix: expect.stringContaining('NODE_EXTRA_CA_CERTS') }])
})

describe('a server whose inbox is broken', () => {
  it.each([
    {
      why: 'another process keeps it locked',
      async breakStore(file: string, inbox: Inbox) {
        await inbox.check()
        const db = new DatabaseSync(file)
        db.exec('BEGIN IMMEDIATE')
        return () => db.close()
      },
    },
    {
      why: 'its file is not a database',
      async breakStore(file: string) {
        writeFileSync(file, 'This is a text. '.repeat(1000))
        return () => rmSync(file)
      },
    },
    {
      why: 'its directory cannot be created',
      async breakStore(file: string) {
        const directory = dirname(file)
        rmSync(directory, { recursive: true })
        writeFileSync(directory, '')
        return () => rmSync(directory)
      },
    },
  ])(
    'fails because $why, and passes once that is fixed',
    async ({ breakStore }) => {
      const directory = mkdtempSync(join(tmpdir(), 'scrapenest-doctor-'))
      onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
      const file = join(directory, 'data', 'webhooks.db')
      mkdirSync(dirname(file))
      const inbox = sqliteInbox({ file })
      const repair = await breakStore(file, inbox)
      const { url } = await startReceiver({ inbox })
      const dead = await doctor(url)
      expect(dead.faults).toEqual(['store_unavailable'])
      expect(dead.exitCode).toBe(1)
      expect(dead.findings[0]?.summary).toBe(
        'The server keeps raw bytes, but its store is unavailable (503 store_unavailable).',
      )
      repair()
      expect((await doctor(url)).faults).toEqual([])
      expect(await inbox.stats()).toEqual({ ready: 0, running: 0, done: 0, dead: 0, unhandled: 0 })
    },
    60_000,
  )
})

it('measures the time to reply', async () => {
  const handler = onNode({ secret, logger, onEvent: {} })
  const url = await listen((request, response) =>
    setTimeout(() => handler(request, response), request.method === 'GET' ? 0 : 350),
  )
  const { findings } = await doctor(url, '--body-bytes', '10000')
  expect(findings.find(({ id }) => id === 'reply_time')?.summary).toMatch(/^The reply takes (3[4-9]|[4-9]\d)\d ms/)
})

it('never prints the password of a URL', async () => {
  const { url } = await startReceiver()
  const withPassword = url.replace('http://', 'http://user:hunter2@')
  for (const json of [[], ['--json']]) {
    const { stdout } = await runCli(['doctor', withPassword, ...json], { env: environment })
    expect(stdout).toContain(url)
    expect(stdout).not.toContain('hunter2')
  }
})

it('never prints the secret or a signature', async () => {
  const { url } = await startReceiver()
  const { stdout } = await doctor(url)
  expect(stdout).not.toContain(secret)
  expect(stdout).not.toContain('v1,')
})

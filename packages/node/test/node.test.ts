import { once } from 'node:events'
import { createServer, request, type Server, type ServerResponse } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from '@scrapenest-webhooks/core'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { scrapenestWebhooks } from '../src/index.ts'

const secret = generateSecret()
const path = '/webhooks/scrapenest'
const servers: Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

async function serve(listener: Parameters<typeof createServer>[1]): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const signed = () => signDelivery(createEvent('job.created'), { secret })

/** The codes and messages that a logger gets, by level. */
function recordingLogger(): { readonly lines: string[]; readonly logger: Logger } {
  const lines: string[] = []
  return {
    lines,
    logger: {
      warn: ({ code }: { code?: string }, message) => lines.push(`warn ${code}: ${message}`),
      error: ({ code }: { code?: string }, message) => lines.push(`error ${code}: ${message}`),
    },
  }
}

it('is a request listener that receives on its path and answers 404 on every other', async () => {
  const origin = await serve(scrapenestWebhooks({ path, secret }))
  expect((await deliver(`${origin}${path}?from=scrapenest`, signed())).reply).toEqual({ status: 'accepted' })
  expect(await deliver(`${origin}/elsewhere`, signed())).toMatchObject({ status: 404, reply: { error: 'not_found' } })
})

it('passes other paths to `next` if there is one', async () => {
  const webhooks = scrapenestWebhooks({ path, secret })
  const origin = await serve((incoming, response) => webhooks(incoming, response, () => response.end('next')))
  expect((await deliver(`${origin}/elsewhere`, signed())).reply).toBe('next')
})

it('answers every request without a path', async () => {
  const origin = await serve(scrapenestWebhooks({ secret }))
  expect((await deliver(`${origin}/anywhere`, signed())).reply).toEqual({ status: 'accepted' })
})

it('rejects a path that is not absolute', () => {
  expect(() => scrapenestWebhooks({ path: 'webhooks', secret })).toThrowError(
    expect.objectContaining({ code: 'configuration_invalid' }),
  )
})

// Next's pages API and others warn about a handler that returns before it has replied.
it('returns a promise that settles when the reply is written', async () => {
  const webhooks = scrapenestWebhooks({ path, secret })
  const settled: [path: string, isWritten: boolean][] = []
  const origin = await serve(async (incoming, response) => {
    await webhooks(incoming, response)
    settled.push([incoming.url ?? '', response.writableEnded])
  })
  await deliver(`${origin}${path}`, signed())
  await deliver(`${origin}/elsewhere`, signed())
  expect(settled).toEqual([
    [path, true],
    ['/elsewhere', true],
  ])
})

describe('a reply that cannot be written', () => {
  it('is reported once, closes the connection, and does not reject', async () => {
    const { lines, logger } = recordingLogger()
    const alarms: unknown[] = []
    const webhooks = scrapenestWebhooks({ path, secret, logger, onError: (error) => void alarms.push(error) })
    const failure = new Error('the session store is down')
    const settled: unknown[] = []
    const origin = await serve((incoming, response) => {
      response.end = (): never => {
        throw failure
      }
      webhooks(incoming, response).then(
        () => settled.push('resolved'),
        (error: unknown) => settled.push(error),
      )
    })
    for (let sent = 0; sent < 2; sent += 1) {
      await expect(deliver(`${origin}${path}`, signed())).rejects.toThrow('fetch failed')
    }
    expect(settled).toEqual(['resolved', 'resolved'])
    expect(lines).toEqual([expect.stringContaining('error configuration_invalid: ')])
    expect(alarms).toMatchObject([{ code: 'configuration_invalid', cause: failure }])
  })

  it('is not written again if timeout middleware has already replied', async () => {
    const { lines, logger } = recordingLogger()
    const responses: ServerResponse[] = []
    const webhooks = scrapenestWebhooks({
      path,
      secret,
      logger,
      onEvent: { '*': () => void responses[0]?.writeHead(504).end('too late') },
    })
    const origin = await serve(async (incoming, response) => {
      responses.push(response)
      await webhooks(incoming, response)
    })
    expect(await deliver(`${origin}${path}`, signed())).toMatchObject({ status: 504, reply: 'too late' })
    expect(lines).toEqual([])
  })
})

it('receives over HTTP/2, and leaves the connection open for other streams', async () => {
  const webhooks = scrapenestWebhooks({ path, secret, logger: recordingLogger().logger })
  const server = createHttp2Server((incoming, response) => webhooks(incoming as never, response as never))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const post = async (headers: Record<string, string>, body: Buffer): Promise<unknown> => {
    const stream = session.request({ ':method': 'POST', ':path': path, ...headers })
    stream.end(body)
    const [received] = await once(stream, 'response')
    let text = ''
    for await (const chunk of stream.setEncoding('utf8')) text += chunk
    return `${received[':status']} ${text}`
  }
  const { headers, body } = signed()
  expect(await post({ ...headers, 'svix-timestamp': '1' }, body)).toBe('400 {"error":"timestamp_outside_tolerance"}')
  expect(await post(headers, body)).toBe('202 {"status":"accepted"}')
  session.close()
  await new Promise((resolve) => server.close(resolve))
})

it('answers 403 with allowedSources on a Unix socket, because clients have no address', async () => {
  const { lines, logger } = recordingLogger()
  const alarms: unknown[] = []
  const server = createServer(
    scrapenestWebhooks({
      path,
      secret,
      allowedSources: ['192.0.2.0/24'],
      logger,
      onError: (error) => void alarms.push(error),
    }),
  )
  servers.push(server)
  const socketPath = join(tmpdir(), `scrapenest-webhooks-${process.pid}.sock`)
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  const { headers, body } = signed()
  const reply = await new Promise<string>((resolve, reject) => {
    const outgoing = request({ socketPath, path, method: 'POST', headers }, async (response) => {
      let text = ''
      for await (const chunk of response) text += String(chunk)
      resolve(`${response.statusCode} ${text}`)
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
  expect(reply).toBe('403 {"error":"source_not_allowed"}')
  expect(lines).toEqual([expect.stringMatching(/^warn source_not_allowed: .*no client address/)])
  expect(alarms).toEqual([])
})

it('logs with the logger of the request if there is one', async () => {
  const { lines, logger } = recordingLogger()
  const unused = recordingLogger()
  const webhooks = scrapenestWebhooks({ path, secret, logger: unused.logger })
  const origin = await serve((incoming, response: ServerResponse) => {
    void webhooks(Object.assign(incoming, { log: logger }), response)
  })
  const delivery = signDelivery(createEvent('job.created'), { secret: generateSecret() })
  expect((await deliver(`${origin}${path}`, delivery)).reply).toEqual({ error: 'signature_mismatch' })
  expect(lines).toEqual([expect.stringContaining('warn signature_mismatch: ')])
  expect(unused.lines).toEqual([])
})

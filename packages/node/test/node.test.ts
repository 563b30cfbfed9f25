import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { afterEach, expect, it } from 'vitest'
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

it('is a request listener: its path is answered, every other is 404', async () => {
  const origin = await serve(scrapenestWebhooks({ path, secret }))
  expect((await deliver(`${origin}${path}?from=scrapenest`, signed())).reply).toEqual({ status: 'accepted' })
  expect(await deliver(`${origin}/elsewhere`, signed())).toMatchObject({ status: 404, reply: { error: 'not_found' } })
})

it('passes other paths on where there is a next', async () => {
  const webhooks = scrapenestWebhooks({ path, secret })
  const origin = await serve((incoming, response) => webhooks(incoming, response, () => response.end('next')))
  expect((await deliver(`${origin}/elsewhere`, signed())).reply).toBe('next')
})

it('answers every request where it has no path', async () => {
  const origin = await serve(scrapenestWebhooks({ secret }))
  expect((await deliver(`${origin}/anywhere`, signed())).reply).toEqual({ status: 'accepted' })
})

it('refuses a path that is none', () => {
  expect(() => scrapenestWebhooks({ path: 'webhooks', secret })).toThrowError(
    expect.objectContaining({ code: 'configuration_invalid' }),
  )
})

it('says that an allowlist cannot match on a unix socket, where clients have no address', async () => {
  const lines: string[] = []
  const logger = { warn() {}, error: (_fields: object, message: string) => lines.push(message) }
  const server = createServer(scrapenestWebhooks({ path, secret, allowedSources: ['192.0.2.0/24'], logger }))
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
  expect(reply).toBe('500 {"error":"configuration_invalid"}')
  expect(lines.join()).toContain('a unix socket')
})

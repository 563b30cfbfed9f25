import { connect } from 'node:net'
import { createEvent, generateSecret, type SignedDelivery, signDelivery } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { hosts, path, Reports } from './hosts.ts'

const secret = generateSecret()

describe.each(hosts)('$name', (host) => {
  it.each([
    ['in origin form', (port: number) => `${path}?port=${port}`],
    ['in absolute form, as sent to proxies (RFC 9112, 3.2.2)', (port: number) => `http://127.0.0.1:${port}${path}`],
    ['in absolute form with a query', (port: number) => `http://127.0.0.1:${port}${path}?from=proxy`],
  ])('answers a request target %s', async (_form, targetOf) => {
    const { port, close } = await host.serve({ secret, logger: new Reports().logger })
    const delivery = signDelivery(createEvent('job.created'), { secret })
    expect(await statusOf(port, targetOf(port), delivery)).toBe(202)
    await close()
  })

  it('replies with 404 to an absolute target with another path', async () => {
    const { port, close } = await host.serve({ secret, logger: new Reports().logger })
    const delivery = signDelivery(createEvent('job.created'), { secret })
    expect(await statusOf(port, `http://127.0.0.1:${port}/elsewhere`, delivery)).toBe(404)
    await close()
  })
})

async function statusOf(port: number, target: string, { headers, body }: SignedDelivery): Promise<number> {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const socket = connect(port, '127.0.0.1')
  socket.write(
    `POST ${target} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nconnection: close\r\ncontent-length: ${body.byteLength}\r\n${lines.join('')}\r\n`,
  )
  socket.write(body)
  let reply = ''
  for await (const chunk of socket) reply += chunk
  return Number(reply.split(' ')[1])
}

import { once } from 'node:events'
import { connect } from 'node:net'
import { createEvent, deliver, generateSecret, type SignedDelivery, signDelivery } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { type Before, hosts, nodeHosts, path, Reports } from './hosts.ts'

// Anyone on the internet can send these. They may write a log line, but must not page the operator.

const secret = generateSecret()
const genuine = (): SignedDelivery => signDelivery(createEvent('job.created'), { secret })

/** A delivery with well-formed headers and a made-up signature. */
function forged(contentType: string): SignedDelivery {
  const { method, headers, body } = signDelivery(createEvent('job.created'), { secret: generateSecret() })
  return { method, headers: { ...headers, 'content-type': contentType }, body }
}

/** A parser for matching content types that keeps no bytes. */
function parserOf(contentType: RegExp): Before {
  return (request, _response, next) => {
    if (!contentType.test(request.headers['content-type'] ?? '')) return next()
    request.on('end', () => setImmediate(next)).resume()
  }
}

describe.each(nodeHosts)('$name', (host) => {
  it.each(['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/plain', 'json'])(
    'replies with 415 to a body of type %s whose bytes a parser has lost, with one warning and no alarm',
    async (contentType) => {
      const reports = new Reports()
      const { url, close } = await host.serve(
        { secret, logger: reports.logger, onError: reports.onError },
        parserOf(/^(?!application\/json)/),
      )
      for (let sent = 0; sent < 3; sent += 1) {
        const { status, reply } = await deliver(url, forged(contentType))
        expect([status, reply]).toEqual([415, { error: 'content_type_unsupported' }])
      }
      expect((await deliver(url, genuine())).status).toBe(202)
      expect(reports.warnings).toEqual(['content_type_unsupported'])
      expect([reports.errors, reports.alarms]).toEqual([[], []])
      await close()
    },
  )

  it('calls onError once for lost JSON, and never once a delivery has been verified', async () => {
    const reports = new Reports()
    const { url, close } = await host.serve(
      { secret, logger: reports.logger, onError: reports.onError },
      parserOf(/^application\/problem\+json/),
    )
    const lost = { error: 'raw_body_unavailable' }
    for (let sent = 0; sent < 3; sent += 1) {
      expect((await deliver(url, forged('application/problem+json'))).reply).toEqual(lost)
    }
    expect(reports.alarms).toMatchObject([{ code: 'raw_body_unavailable' }])
    await close()

    const working = new Reports()
    const again = await host.serve(
      { secret, logger: working.logger, onError: working.onError },
      parserOf(/^application\/problem\+json/),
    )
    expect((await deliver(again.url, genuine())).status).toBe(202)
    expect((await deliver(again.url, forged('application/problem+json'))).reply).toEqual(lost)
    expect(working.errors).toEqual(['raw_body_unavailable'])
    expect(working.alarms).toEqual([])
    await again.close()
  })

  it('answers 403 without an alarm when a client has reset its connection and so has no address', async () => {
    const reports = new Reports()
    const outcomes: string[] = []
    const { port, close } = await host.serve(
      {
        secret,
        logger: reports.logger,
        onError: reports.onError,
        onDelivery: ({ result }) => void outcomes.push(result),
        allowedSources: ['127.0.0.1'],
      },
      (request, _response, next) => {
        request.socket.on('close', next).resetAndDestroy()
      },
    )
    for (let sent = 0; sent < 3; sent += 1) {
      const socket = connect(port, '127.0.0.1').on('error', () => {})
      socket.write(`POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n`)
      await new Promise((resolve) => socket.once('close', resolve))
    }
    await expect.poll(() => outcomes).toEqual(Array.from({ length: 3 }, () => 'source_not_allowed'))
    expect(reports.warnings).toEqual(['source_not_allowed'])
    expect([reports.errors, reports.alarms]).toEqual([[], []])
    await close()
  })
})

describe.each(hosts)('$name', (host) => {
  it('logs no error when clients reset right after sending headers', async () => {
    const reports = new Reports()
    const { port, close } = await host.serve({
      secret,
      logger: reports.logger,
      onError: reports.onError,
      allowedSources: ['192.0.2.0/24'],
    })
    for (let sent = 0; sent < 20; sent += 1) {
      const socket = connect(port, '127.0.0.1').on('error', () => {})
      await once(socket, 'connect')
      socket.write(`POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n`, () => socket.resetAndDestroy())
      await new Promise((resolve) => socket.once('close', resolve))
    }
    // Requests of earlier connections have been answered by then.
    await deliver(`http://127.0.0.1:${port}${path}`, genuine())
    expect(reports.warnings).toEqual(['source_not_allowed'])
    expect([reports.errors, reports.alarms]).toEqual([[], []])
    await close()
  })
})

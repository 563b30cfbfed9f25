import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { type Before, type Host, nodeHosts, Reports } from './hosts.ts'

const secret = generateSecret()
const event = JSON.stringify(createEvent('job.created', { org_slug: 'zürich-🔑' }))

/** Reads the whole body like a parser or a platform, and stores a copy with `keep`. */
function reading(keep: (request: IncomingMessage, bytes: Buffer) => void): Before {
  return async (request, _response, next) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    keep(request, Buffer.concat(chunks))
    next()
  }
}

async function send(
  host: Host,
  before: Before,
  payload: string | Uint8Array = event,
): Promise<{ readonly result: string; readonly reports: Reports; readonly handled: readonly Uint8Array[] }> {
  const reports = new Reports()
  const handled: Uint8Array[] = []
  const { url, close } = await host.serve(
    {
      secret,
      logger: reports.logger,
      onError: reports.onError,
      onEvent: { '*': (_event, { rawBody }) => void handled.push(rawBody) },
    },
    before,
  )
  const { status, reply } = await deliver(url, signDelivery(payload, { secret }))
  await close()
  return { result: `${status} ${JSON.stringify(reply)}`, reports, handled }
}

const accepted = '202 {"status":"accepted"}'
const unavailable = '500 {"error":"raw_body_unavailable"}'

describe.each(nodeHosts)('$name', (host) => {
  it.each<[string, (bytes: Buffer) => unknown]>([
    ['bytes', (bytes) => bytes],
    ['a view into a larger buffer', (bytes) => new Uint8Array(Buffer.concat([Buffer.of(1, 2), bytes])).subarray(2)],
    ['text in UTF-8', (bytes) => bytes.toString()],
  ])('uses a body kept as %s', async (_form, keep) => {
    const { result, handled } = await send(
      host,
      reading((request, bytes) => void Object.assign(request, { rawBody: keep(bytes) })),
    )
    expect(result).toBe(accepted)
    expect(handled.map((body) => Buffer.from(body).toString())).toEqual([event])
  })

  it.each<[string, (bytes: Buffer) => unknown, (string | Uint8Array)?]>([
    ['nothing', () => undefined],
    ['an empty string', () => ''],
    ['the parsed object', (bytes) => JSON.parse(bytes.toString())],
    ['half of the bytes', (bytes) => bytes.subarray(0, bytes.byteLength / 2)],
    ['text decoded as latin1', (bytes) => bytes.toString('latin1')],
    ['text without its byte order mark', (bytes) => new TextDecoder().decode(bytes), `\ufeff${event}`],
    [
      'text of bytes that are not UTF-8',
      (bytes) => bytes.toString(),
      Buffer.concat([Buffer.from(event.slice(0, -1)), Buffer.from(',"x":"\xff"}', 'latin1')]),
    ],
  ])('does not accept %s as the body: answers 500 and logs the reason', async (_form, keep, payload) => {
    const { result, reports } = await send(
      host,
      reading((request, bytes) => void Object.assign(request, { rawBody: keep(bytes) })),
      payload,
    )
    expect(result).toBe(unavailable)
    expect(reports.errors).toEqual(['raw_body_unavailable'])
    expect(reports.alarms).toHaveLength(1)
  })

  it('does not mistake a kept copy that is still empty for the body', async () => {
    const { result } = await send(host, (request, _response, next) => {
      const kept = Object.assign(request, { rawBody: '' })
      request.on('data', (chunk: Buffer) => {
        kept.rawBody += chunk
      })
      next()
    })
    expect([accepted, unavailable]).toContain(result)
  })

  it('does not read text: setEncoding loses bytes that are invalid in the encoding', async () => {
    const { result } = await send(host, (request, _response, next) => {
      request.setEncoding('latin1')
      next()
    })
    expect(result).toBe(unavailable)
  })

  it.each(['body', 'rawBody'])('reads the request when the getter of its %s throws', async (name) => {
    const { result, handled } = await send(host, (request, _response, next) => {
      Object.defineProperty(request, name, {
        configurable: true,
        get(): never {
          throw new Error('not parsed yet')
        },
        set() {},
      })
      next()
    })
    expect(result).toBe(accepted)
    expect(handled).toHaveLength(1)
  })

  it('answers raw_body_unavailable when the body was read and its getter throws', async () => {
    const { result } = await send(
      host,
      reading((request) => {
        Object.defineProperty(request, 'body', {
          get(): never {
            throw new Error('invalid JSON')
          },
        })
      }),
    )
    expect(result).toBe(unavailable)
  })

  // Vercel's Node helpers, on by default, read the body and replay it to the application.
  it('reads a body that the platform replays through `request.read` and `request.on`', async () => {
    const { result, handled } = await send(host, async (request, _response, next) => {
      const again = new PassThrough()
      for await (const chunk of request) again.write(chunk)
      again.end()
      const { on } = request
      const replayed = (name: string, listener: (...values: unknown[]) => void): IncomingMessage => {
        if (name === 'data' || name === 'end') again.on(name, listener)
        else on.call(request, name, listener)
        return request
      }
      Object.assign(request, { read: (size?: number) => again.read(size), on: replayed, addListener: replayed })
      next()
    })
    expect(result).toBe(accepted)
    expect(handled.map((body) => Buffer.from(body).toString())).toEqual([event])
  })
})

import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { existingApps, path } from './apps.ts'

/** Requests to an existing application that its parsers accept, reject or ignore. */
const requests: readonly { readonly what: string; readonly init: RequestInit; readonly url?: string }[] = [
  { what: 'JSON', init: json('{ "a":1.0, "b":"é🔑" }') },
  { what: 'JSON with a charset', init: json('{"a":1}', 'application/json; charset=utf-8') },
  { what: 'malformed JSON', init: json('{"a":') },
  { what: 'JSON over the limit', init: json(JSON.stringify({ a: 'x'.repeat(3000) })) },
  { what: 'JSON that pollutes a prototype', init: json('{"__proto__":{"x":1}}') },
  { what: 'an empty JSON body', init: json('') },
  { what: 'a vendor +json type', init: json('{"a":1}', 'application/vnd.example+json') },
  { what: 'text', init: json('hello\n', 'text/plain') },
  { what: 'a type with a custom parser', init: json('a\nb', 'application/x-lines') },
  { what: 'a type without a parser', init: json('a=1', 'application/x-unknown') },
  { what: 'a malformed content type', init: json('{}', 'json') },
  { what: 'PUT', init: { ...json('{"a":1}'), method: 'PUT' } },
  { what: 'GET', init: {} },
  { what: 'OPTIONS', init: { method: 'OPTIONS' } },
  { what: 'a path that does not exist', init: json('{"a":1}'), url: '/nowhere' },
  { what: 'a path below the webhook', init: json('{"a":1}'), url: `${path}/below` },
]

function json(body: string, contentType = 'application/json'): RequestInit {
  return { method: 'POST', headers: { 'content-type': contentType }, body: Buffer.from(body) }
}

async function answerOf(origin: string, { init, url = '/echo' }: (typeof requests)[number]): Promise<object> {
  const response = await fetch(origin + url, init)
  const { date: _, ...headers } = Object.fromEntries(response.headers)
  return { status: response.status, headers, body: Buffer.from(await response.arrayBuffer()).toString('hex') }
}

describe.each(existingApps)('$name', (app) => {
  it('answers its own routes byte for byte as before', async () => {
    const before = await app.start(undefined)
    const after = await app.start({ secret: generateSecret() })
    for (const request of requests) {
      expect(await answerOf(after.origin, request), request.what).toEqual(await answerOf(before.origin, request))
    }
    await Promise.all([before.close(), after.close()])
  })

  it('receives webhooks alongside them', async () => {
    let handled = 0
    const secret = generateSecret()
    const { origin, close } = await app.start({ secret, onHandled: () => (handled += 1) })
    const delivery = signDelivery(JSON.stringify(createEvent('job.completed', { org_slug: 'zürich' }), null, 1), {
      secret,
    })
    expect((await deliver(origin + path, delivery)).reply).toEqual({ status: 'accepted' })
    expect((await deliver(origin + path, delivery)).reply).toEqual({ status: 'duplicate' })
    expect(handled).toBe(1)
    await close()
  })
})

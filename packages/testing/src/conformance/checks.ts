import { generateSecret, PermanentError, RetryLaterError, sign } from '@scrapenest-webhooks/core'
import { type SignedDelivery, signDelivery } from '../deliveries.ts'
import { createEvent } from '../events.ts'
import {
  accepted,
  type Bed,
  ConformanceFailure,
  conformanceSecret,
  duplicate,
  refused,
  shortReplyTimeoutMs,
  until,
} from './bed.ts'
import type { Condition } from './target.ts'

/** One rule and how to try it. `play` is the same under every condition; the bed knows what a condition changes. */
export interface Scenario {
  readonly id: string
  readonly name: string
  readonly play: (bed: Bed) => Promise<void>
  /** Conditions the rule does not apply to, and why. */
  readonly notUnder?: { readonly [Name in Condition]?: string }
}

const noBody = 'the request has no body'
const withoutBody: Scenario['notUnder'] = {
  'parser first': noBody,
  'captured raw body': noBody,
  compressed: noBody,
  'chunked mid-code-point': noBody,
  oversized: noBody,
  slow: noBody,
  aborted: noBody,
}
const ownTransfer = 'the check itself decides how the body is sent'
const ownContentType = 'parsers differ in the content types they read'

const unparsedForm = 'no parser consumes the body; B02 covers content types'

/** Every rule of the reply table, from the cheapest step to the last. */
export const scenarios: readonly Scenario[] = [
  {
    id: 'M01',
    name: 'MUST answer 405 with Allow to a GET',
    notUnder: withoutBody,
    async play(bed) {
      bed.receive()
      await bed.expect(
        { method: 'GET', headers: {}, body: Buffer.alloc(0) },
        refused('method', 405, 'method_not_allowed', { allow: 'POST' }),
      )
    },
  },
  {
    id: 'M02',
    name: 'MUST answer 405 with Allow to a signed PUT, and run no handler',
    async play(bed) {
      bed.receive()
      await bed.expect(
        { ...bed.sign(), method: 'PUT' },
        refused('method', 405, 'method_not_allowed', { allow: 'POST' }),
      )
      bed.expectHandled(0)
    },
  },
  {
    id: 'S01',
    name: 'MUST answer 403 to an address that is not allowed, before any other check',
    async play(bed) {
      bed.receive({ allowedSources: ['192.0.2.0/24', '2001:db8::/32'] })
      await bed.expect(bed.sign(), refused('source', 403, 'source_not_allowed'))
      await bed.expect(
        { headers: { 'content-type': 'application/json' }, body: Buffer.from('{}') },
        refused('source', 403, 'source_not_allowed'),
      )
      bed.expectHandled(0)
    },
  },
  {
    id: 'S02',
    name: 'MUST accept an address that is allowed',
    async play(bed) {
      bed.receive({ allowedSources: ['127.0.0.0/8', '::1'] })
      await bed.expect(bed.sign(), accepted)
      bed.expectHandled(1)
    },
  },
  {
    id: 'E01',
    name: 'MUST answer 415 to a compressed body, whatever its encoding',
    async play(bed) {
      bed.receive()
      for (const encoding of ['gzip', 'BR', 'gzip, identity']) {
        const { headers, body } = bed.sign()
        await bed.expect(
          { headers: { ...headers, 'content-encoding': encoding }, body },
          refused('encoding', 415, 'content_encoding_unsupported'),
        )
      }
      bed.expectHandled(0)
    },
    notUnder: {
      'parser first': 'the parser decompresses it',
      'captured raw body': 'the parser decompresses it',
      compressed: ownTransfer,
    },
  },
  {
    id: 'E02',
    name: 'MUST accept the content encoding identity',
    notUnder: { compressed: ownTransfer },
    async play(bed) {
      bed.receive()
      const { headers, body } = bed.sign()
      await bed.expect({ headers: { ...headers, 'content-encoding': 'identity' }, body }, accepted)
      bed.expectHandled(1)
    },
  },
  {
    id: 'L01',
    name: 'MUST answer 413 to a body whose declared length is too large, and close the connection',
    async play(bed) {
      bed.receive({ maxBodyBytes: 64 })
      await bed.expect(
        bed.sign(),
        refused('length', 413, 'body_too_large', bed.condition === 'aborted' ? {} : { connection: 'close' }),
      )
      bed.expectHandled(0)
    },
    notUnder: {
      'chunked mid-code-point': 'a chunked body declares no length',
      compressed: 'it is refused before its length is checked',
    },
  },
  {
    id: 'L02',
    name: 'MUST answer 413 to a body that exceeds the limit while it is read, and close the connection',
    async play(bed) {
      bed.receive({ maxBodyBytes: 64 })
      await bed.expect(
        { ...bed.sign(), manner: 'bytes' },
        refused('body', 413, 'body_too_large', { connection: 'close' }),
      )
      bed.expectHandled(0)
    },
    notUnder: {
      'parser first': ownTransfer,
      compressed: ownTransfer,
      oversized: ownTransfer,
      slow: ownTransfer,
      aborted: ownTransfer,
    },
  },
  {
    id: 'H01',
    name: 'MUST answer 400 when a signed header is missing or empty',
    async play(bed) {
      bed.receive()
      for (const name of ['svix-id', 'svix-timestamp', 'svix-signature']) {
        const { headers, body } = bed.sign()
        const { [name]: _, ...others } = headers
        await bed.expect({ headers: others, body }, refused('headers', 400, 'missing_header'))
        await bed.expect({ headers: { ...headers, [name]: '' }, body }, refused('headers', 400, 'missing_header'))
      }
      bed.expectHandled(0)
    },
  },
  {
    id: 'H02',
    name: 'MUST answer 400 when the two header families are mixed',
    async play(bed) {
      bed.receive()
      const { headers, body } = bed.sign()
      const { 'svix-id': id, ...others } = headers
      await bed.expect(
        { headers: { ...others, 'webhook-id': id as string }, body },
        refused('headers', 400, 'missing_header'),
      )
      bed.expectHandled(0)
    },
  },
  {
    id: 'H03',
    name: 'MUST answer 400 to a message id that is malformed or was sent twice',
    async play(bed) {
      bed.receive()
      for (const id of ['msg.1', 'msg 1', 'x'.repeat(257), 'é', ['msg_1', 'msg_2']]) {
        const { headers, body } = bed.sign()
        await bed.expect(
          { headers: { ...headers, 'svix-id': id }, body },
          refused('headers', 400, 'message_id_invalid'),
        )
      }
      bed.expectHandled(0)
    },
  },
  {
    id: 'H04',
    name: 'MUST answer 400 to a timestamp that is not a plain number of seconds',
    async play(bed) {
      bed.receive()
      const seconds = String(Math.floor(bed.clock.now() / 1000))
      const timestamps = [
        `${seconds}abc`,
        `${seconds}.5`,
        `+${seconds}`,
        `0${seconds}`,
        '0x1',
        '1e9',
        '-1',
        'NaN',
        'Infinity',
        [seconds, seconds],
      ]
      for (const timestamp of timestamps) {
        const { headers, body } = bed.sign()
        await bed.expect(
          { headers: { ...headers, 'svix-timestamp': timestamp }, body },
          refused('headers', 400, 'timestamp_invalid'),
        )
      }
      bed.expectHandled(0)
    },
  },
  {
    id: 'H05',
    name: 'MUST answer 400 to a timestamp 301 s old or 301 s ahead, and accept 300 s',
    async play(bed) {
      bed.receive()
      for (const seconds of [-301, 301]) {
        const sentAt = new Date(bed.clock.now() + seconds * 1000)
        const delivery = signDelivery(createEvent('job.created'), { secret: conformanceSecret, sentAt })
        await bed.expect(delivery, refused('headers', 400, 'timestamp_outside_tolerance'))
      }
      for (const seconds of [-300, 300]) {
        const sentAt = new Date(bed.clock.now() + seconds * 1000)
        await bed.expect(signDelivery(createEvent('job.created'), { secret: conformanceSecret, sentAt }), accepted)
      }
      bed.expectHandled(2)
    },
  },
  {
    id: 'H06',
    name: 'MUST answer 400 when no signature has a supported form',
    async play(bed) {
      bed.receive()
      for (const signature of [
        'v2,x',
        'v1a,x',
        'v1=x',
        'v1',
        'V1,x',
        'v1,',
        `v1,${'A'.repeat(44)}`,
        `v1,${'-'.repeat(43)}=`,
      ]) {
        const { headers, body } = bed.sign()
        await bed.expect(
          { headers: { ...headers, 'svix-signature': signature }, body },
          refused('headers', 400, 'no_supported_signature'),
        )
      }
      bed.expectHandled(0)
    },
  },
  {
    id: 'H07',
    name: 'MUST accept the webhook-* header family',
    async play(bed) {
      bed.receive()
      const { headers, body } = bed.sign()
      await bed.expect({ headers: renamed(headers), body }, accepted)
      bed.expectHandled(1)
    },
  },
  {
    id: 'H08',
    name: 'MUST accept two complete header families if one of them verifies',
    async play(bed) {
      bed.receive()
      const { headers, body } = bed.sign()
      const wrong = signDelivery(body, { secret: generateSecret(), sentAt: new Date(bed.clock.now()) })
      await bed.expect({ headers: { ...wrong.headers, ...renamed(headers) }, body }, accepted)
      bed.expectHandled(1)
    },
  },
  {
    id: 'K01',
    name: 'MUST accept any of several secrets, including those a function of the request returns',
    async play(bed) {
      bed.receive({ secret: [generateSecret(), conformanceSecret] })
      await bed.expect(bed.sign(), accepted)
      bed.receive({ secret: async () => [conformanceSecret, generateSecret()] })
      await bed.expect(bed.sign(), accepted)
      bed.expectHandled(2)
    },
  },
  {
    id: 'K02',
    name: 'MUST answer a request without a secret like a bad signature, and 503 when the secret function fails',
    async play(bed) {
      for (const none of [undefined, null, '', []]) {
        bed.receive({ secret: () => none })
        // After the body was read, so that a stranger cannot tell a tenant without a secret from one with another.
        await bed.expect(bed.sign(), refused('signature', 400, 'signature_mismatch'))
      }
      bed.receive({
        secret: async () => {
          throw new Error('the vault is sealed')
        },
      })
      await bed.expect(bed.sign(), refused('secret', 503, 'secret_unavailable', { 'retry-after': '30' }))
      bed.expectHandled(0)
    },
  },
  {
    id: 'V01',
    name: 'MUST answer 400 to a signature made with another secret',
    async play(bed) {
      bed.receive()
      const delivery = signDelivery(createEvent('job.created'), {
        secret: generateSecret(),
        sentAt: new Date(bed.clock.now()),
      })
      await bed.expect(delivery, refused('signature', 400, 'signature_mismatch'))
      bed.expectHandled(0)
    },
  },
  {
    id: 'V02',
    name: 'MUST answer 400 when body, id or timestamp were changed after signing',
    async play(bed) {
      bed.receive()
      const { headers, body } = bed.sign()
      const changed = Buffer.from(body.toString('utf8').replace('succeeded', 'succeedeD'))
      const later = String(Number(headers['svix-timestamp']) + 1)
      await bed.expect({ headers, body: changed }, refused('signature', 400, 'signature_mismatch'))
      await bed.expect(
        { headers: { ...headers, 'svix-id': 'msg_other' }, body },
        refused('signature', 400, 'signature_mismatch'),
      )
      await bed.expect(
        { headers: { ...headers, 'svix-timestamp': later }, body },
        refused('signature', 400, 'signature_mismatch'),
      )
      bed.expectHandled(0)
    },
  },
  {
    id: 'V03',
    name: 'MUST answer 400 to JSON that was parsed and serialized again in transit',
    async play(bed) {
      bed.receive()
      const { headers, body } = bed.sign(unusualJson())
      const reserialized = Buffer.from(JSON.stringify(JSON.parse(body.toString('utf8'))))
      await bed.expect({ headers, body: reserialized }, refused('signature', 400, 'signature_mismatch'))
      bed.expectHandled(0)
    },
  },
  {
    id: 'V04',
    name: 'MUST accept one matching signature among several, in one header or two',
    async play(bed) {
      bed.receive()
      const first = bed.sign()
      const other = sign({ id: 'msg_1', timestamp: 1, body: 'x' }, generateSecret())['svix-signature']
      const own = first.headers['svix-signature'] as string
      await bed.expect(
        { ...first, headers: { ...first.headers, 'svix-signature': `v1a,AAAA ${other} ${own}` } },
        accepted,
      )
      const second = bed.sign()
      const both = [other, second.headers['svix-signature'] as string]
      await bed.expect({ ...second, headers: { ...second.headers, 'svix-signature': both } }, accepted)
      bed.expectHandled(2)
    },
  },
  {
    id: 'B01',
    name: 'MUST pass the bytes to the handler exactly as they were sent',
    async play(bed) {
      bed.receive()
      const { headers, body } = bed.sign(unusualJson())
      await bed.expect({ headers, body }, accepted)
      bed.expectHandled(1)
      const rawBody = bed.deliveries[0]?.rawBody
      if (rawBody !== undefined && Buffer.compare(rawBody, body) !== 0) {
        throw new ConformanceFailure('The handler got bytes that differ from those sent.')
      }
    },
  },
  {
    id: 'B02',
    name: 'MUST accept a delivery whatever its content type, even without one',
    notUnder: { 'parser first': ownContentType, 'captured raw body': ownContentType },
    async play(bed) {
      bed.receive()
      const contentTypes = [
        'application/json; charset=utf-8',
        'application/cloudevents+json',
        'text/plain',
        'application/x-www-form-urlencoded',
        'application/octet-stream',
        'json',
        'application/json;;',
      ]
      for (const contentType of contentTypes) {
        const { headers, body } = bed.sign()
        await bed.expect({ headers: { ...headers, 'content-type': contentType }, body }, accepted)
      }
      const { headers, body } = bed.sign()
      const { 'content-type': _, ...none } = headers
      await bed.expect({ headers: none, body }, accepted)
      bed.expectHandled(contentTypes.length + 1)
    },
  },
  {
    id: 'B03',
    name: 'MUST answer 415 to a form or text that a parser has consumed, and accept it where none has',
    notUnder: {
      bare: unparsedForm,
      'captured raw body': unparsedForm,
      compressed: unparsedForm,
      'chunked mid-code-point': unparsedForm,
      oversized: unparsedForm,
      slow: unparsedForm,
      aborted: unparsedForm,
    },
    async play(bed) {
      bed.receive()
      for (const contentType of ['application/x-www-form-urlencoded', 'text/plain']) {
        const { headers, body } = bed.sign()
        await bed.expectEither(
          { headers: { ...headers, 'content-type': contentType }, body },
          { ifLost: refused('body', 415, 'content_type_unsupported'), ifUnread: accepted },
        )
      }
    },
  },
  {
    id: 'P01',
    name: 'MUST answer 400 to an empty body, even if it is signed',
    notUnder: withoutBody,
    async play(bed) {
      bed.receive()
      await bed.expect(bed.sign(''), refused('envelope', 400, 'envelope_invalid'))
      bed.expectHandled(0)
    },
  },
  {
    id: 'P02',
    name: 'MUST answer 400 to signed bytes that are not JSON',
    async play(bed) {
      bed.receive()
      await bed.expect(bed.sign('{"event_type": "job.created"'), refused('envelope', 400, 'envelope_invalid'))
      bed.expectHandled(0)
    },
  },
  {
    id: 'P03',
    name: 'MUST answer 400 to signed bytes that are not UTF-8',
    async play(bed) {
      bed.receive()
      const bytes = Buffer.from('{"event_type":"job.created","org_slug":"?"}')
      bytes[bytes.indexOf('?')] = 0xff
      await bed.expect(bed.sign(bytes), refused('envelope', 400, 'envelope_invalid'))
      bed.expectHandled(0)
    },
  },
  {
    id: 'P04',
    name: 'MUST answer 400 to signed JSON that is not an event',
    async play(bed) {
      bed.receive()
      for (const json of ['[]', '{}', '{"event_type":""}', '{"event_type":1}']) {
        await bed.expect(bed.sign(json), refused('envelope', 400, 'envelope_invalid'))
      }
      bed.expectHandled(0)
    },
  },
  {
    id: 'P05',
    name: 'MUST recognize an event without event_id by its message id',
    async play(bed) {
      bed.receive()
      const { event_id: _, ...event } = createEvent('job.created')
      const delivery = bed.sign(event)
      await bed.expect(delivery, accepted)
      await bed.expect(delivery, duplicate)
      bed.expectHandled(1)
    },
  },
  {
    id: 'D01',
    name: 'MUST pass a verified event to its handler once, and acknowledge repeats as duplicates',
    async play(bed) {
      bed.receive()
      const event = createEvent('artifact.ready')
      await bed.expect(bed.sign(event), accepted)
      // Signed again under another message id: the event decides.
      await bed.expect(bed.sign(event), duplicate)
      bed.expectHandled(1)
    },
  },
  {
    id: 'D02',
    name: 'MUST answer 409 while the same event is being handled',
    async play(bed) {
      let finish = (): void => {}
      const finished = new Promise<void>((resolve) => {
        finish = resolve
      })
      bed.receive({
        onEvent: {
          '*': (event, delivery) => {
            bed.record(event, delivery)
            return finished
          },
        },
      })
      const delivery = bed.sign()
      const first = bed.expect(delivery, accepted)
      await Promise.race([until(() => bed.events[0]), first])
      await bed.expect(delivery, refused('handling', 409, 'event_in_progress', { 'retry-after': '10' }))
      finish()
      await first
      bed.expectHandled(1)
    },
    notUnder: { slow: 'both bodies would only wait for their deadline' },
  },
  {
    id: 'D03',
    name: 'MUST answer 500 when a handler throws, reveal nothing about why, and handle the event when it is retried',
    async play(bed) {
      bed.receive({
        onError() {},
        onEvent: {
          '*': (event, delivery) => {
            bed.record(event, delivery)
            if (bed.events.length === 1) throw new Error('the database password is hunter2')
          },
        },
      })
      const delivery = bed.sign()
      await bed.expect(delivery, refused('handling', 500, 'handler_failed'))
      await bed.expect(delivery, accepted)
      await bed.expect(delivery, duplicate)
      bed.expectHandled(2)
    },
  },
  {
    id: 'D04',
    name: 'MUST acknowledge an event as dropped when a handler throws PermanentError',
    async play(bed) {
      bed.receive({
        onEvent: {
          '*': (event, delivery) => {
            bed.record(event, delivery)
            throw new PermanentError('no such customer')
          },
        },
      })
      const delivery = bed.sign()
      await bed.expect(delivery, { at: 'handling', status: 202, body: { status: 'dropped' } })
      await bed.expect(delivery, duplicate)
      bed.expectHandled(1)
    },
  },
  {
    id: 'D05',
    name: 'MUST answer 503 with the Retry-After that a handler asks for',
    async play(bed) {
      bed.receive({
        onEvent: {
          '*': (event, delivery) => {
            bed.record(event, delivery)
            throw new RetryLaterError('rate limited', { retryAfterSeconds: 120 })
          },
        },
      })
      await bed.expect(bed.sign(), refused('handling', 503, 'retry_later', { 'retry-after': '120' }))
      bed.expectHandled(1)
    },
  },
  {
    id: 'D06',
    name: 'MUST answer 503 when the handlers do not finish in time',
    async play(bed) {
      let finish = (): void => {}
      bed.receive({
        replyTimeoutMs: shortReplyTimeoutMs,
        onEvent: {
          '*': (event, delivery) => {
            bed.record(event, delivery)
            return new Promise<void>((resolve) => {
              finish = resolve
            })
          },
        },
      })
      await bed.expect(bed.sign(), refused('handling', 503, 'handler_timeout', { 'retry-after': '30' }))
      finish()
      bed.expectHandled(1)
    },
  },
  {
    id: 'D07',
    name: 'MUST acknowledge unknown event types, and run no typed handler for them',
    async play(bed) {
      bed.receive()
      const types = ['monitor.changed', 'job.paused', 'constructor', '__proto__', 'toString', '*', 'job.*']
      for (const event_type of types)
        await bed.expect(bed.sign({ ...createEvent('job.created'), event_type }), accepted)
      bed.expectHandled(0)
      const expected = bed.handlersRun ? types.length : 0
      if (bed.unknownEvents.length !== expected) {
        throw new ConformanceFailure(`Expected ${expected} calls of onUnknownEvent, got ${bed.unknownEvents.length}.`)
      }
    },
  },
  {
    id: 'D08',
    name: 'MUST answer 500 to data that the schema of its type rejects',
    async play(bed) {
      bed.receive({
        schemas: {
          'job.created': {
            '~standard': { version: 1, vendor: 'conformance', validate: () => ({ issues: [{ message: 'no' }] }) },
          },
        },
      })
      await bed.expect(bed.sign(createEvent('job.created')), refused('handling', 500, 'schema_mismatch'))
      bed.expectHandled(0)
    },
  },
  {
    id: 'D09',
    name: 'MUST answer 503 when the duplicate store is unavailable',
    async play(bed) {
      bed.receive({
        duplicates: {
          claim: async () => {
            throw new Error('connect ECONNREFUSED')
          },
          complete() {},
          release() {},
        },
      })
      await bed.expect(bed.sign(), refused('handling', 503, 'store_unavailable', { 'retry-after': '30' }))
      bed.expectHandled(0)
    },
  },
  {
    id: 'D10',
    name: 'MUST reply as usual when hooks throw or hang',
    async play(bed) {
      const thrown = (): never => {
        throw new Error('a broken hook')
      }
      bed.receive({ onUnknownEvent: thrown, onError: () => new Promise(() => {}) })
      await bed.expect(bed.sign({ ...createEvent('job.created'), event_type: 'monitor.changed' }), accepted)
      bed.receive({ onUnknownEvent: () => Promise.reject(new Error('a broken hook')) })
      await bed.expect(bed.sign({ ...createEvent('job.created'), event_type: 'monitor.changed' }), accepted)
    },
  },
  {
    id: 'C01',
    name: 'MUST answer 503 once the receiver is closing',
    async play(bed) {
      await bed.receive().close()
      await bed.expect(bed.sign(), refused('method', 503, 'receiver_closing', { 'retry-after': '30' }))
      bed.expectHandled(0)
    },
  },
]

/** JSON as senders in other languages write it: none of it survives parsing and serializing in JavaScript. */
function unusualJson(): string {
  return (
    '{ "event_id" : "5f0c", "event_type":"job.completed", "data": {"status":"succeeded", "n": 1.0, "e": 1e3,\n' +
    '  "big": 12345678901234567890, "slash": "a\\/b", "escaped": "\\u00e9", "raw": "é🔑", "2": 0, "1": 0, "twice": 1, "twice": 2 } }\n'
  )
}

function renamed(headers: SignedDelivery['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.replace(/^svix-/, 'webhook-'), value]))
}

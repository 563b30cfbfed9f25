import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib'
import { type Arena, chunk, type HeadOptions, head, lines, path, pause, type RawDelivery, whole } from './arena.ts'
import { Random } from './random.ts'
import { exchange, type Step } from './raw-client.ts'

/** One kind of hostile client. */
export interface SocketScenario {
  readonly name: string
  /** The receiver's reply timeout in this scenario. @default 10_000, which no request reaches even on a busy machine. */
  readonly replyTimeoutMs?: (budget: Arena['budget']) => number
  run(arena: Arena): Promise<void>
}

const mebibyte = 1024 * 1024

/** Hostile HTTP/1.1 clients. */
export const http1Scenarios: readonly SocketScenario[] = [
  {
    name: 'a request that arrives byte by byte',
    async run(arena) {
      const delivery = arena.sign()
      const { replies } = await exchange(arena.port, singleBytes(whole(delivery)))
      arena.expectStatuses('byte by byte', replies, 202)
      arena.expectHandled('byte by byte', delivery.eventId)
    },
  },
  {
    name: 'chunks that are split inside a code point',
    async run(arena) {
      const delivery = arena.sign(20)
      const pieces = splitInsideCharacters(delivery.body).flatMap((piece): Step[] => [chunk(piece), 1])
      const { replies } = await exchange(arena.port, [chunkedHead(delivery), ...pieces, '0\r\n\r\n'])
      arena.expectStatuses('split inside a code point', replies, 202)
      arena.expectHandled('split inside a code point', delivery.eventId)
    },
  },
  {
    name: 'pipelining',
    async run(arena) {
      const deliveries = [arena.sign(), arena.sign(500), arena.sign()]
      const { replies } = await exchange(arena.port, [Buffer.concat(deliveries.map(whole))], { replies: 3 })
      arena.expectStatuses('three pipelined', replies, 202, 202, 202)
      arena.expectHandled('three pipelined', ...deliveries.map(({ eventId }) => eventId))
      const same = arena.sign()
      const { replies: copies } = await exchange(arena.port, [whole(same), whole(same), whole(same)], { replies: 3 })
      arena.expect(
        copies.length === 3 && copies.every(({ status }) => status === 202 || status === 409),
        () => `copies: ${JSON.stringify(copies)}`,
      )
      arena.expectHandled('one event pipelined three times', ...deliveries.map(({ eventId }) => eventId), same.eventId)
    },
  },
  {
    name: 'a request hidden in the body of a refused one',
    async run(arena) {
      const hidden = whole(arena.sign())
      for (const refused of [[], [['svix-id', 'a.b']], [['content-encoding', 'gzip']]] as const) {
        const outer = head([...refused, ['content-length', hidden.byteLength]])
        const { replies } = await exchange(arena.port, [outer, hidden], { untilClosed: true, timeoutMs: 2000 })
        arena.expect(replies.length === 1, () => `hidden in a body: ${replies.length} replies`)
      }
      arena.expectHandled('hidden in a body')
    },
  },
  {
    name: 'Expect',
    async run(arena) {
      const delivery = arena.sign()
      const withExpect = (value: string): string =>
        head([...lines(delivery), ['content-length', delivery.body.byteLength], ['expect', value]])
      const good = await exchange(arena.port, [withExpect('100-continue'), 30, delivery.body])
      arena.expectStatuses('expect: 100-continue', good.replies, 202)
      arena.expect(good.continues === 1, () => `expect: 100-continue was answered ${good.continues} times`)
      const other = await exchange(arena.port, [withExpect('the unexpected'), delivery.body])
      arena.expect(other.replies[0]?.status !== 202, () => 'an unknown expectation was accepted')
      const bad = await exchange(arena.port, [
        head([
          ['content-length', 5],
          ['expect', '100-continue'],
        ]),
      ])
      arena.expectStatuses('expect: 100-continue without signature', bad.replies, 400)
      arena.expectHandled('Expect', delivery.eventId)
    },
  },
  {
    name: 'a wrong Content-Length',
    replyTimeoutMs: () => 400,
    async run(arena) {
      const delivery = arena.sign()
      const { body } = delivery
      const withLength = (...values: readonly (string | number)[]): string =>
        head([...lines(delivery), ...values.map((value) => ['content-length', value] as const)])
      const small = await exchange(arena.port, [withLength(body.byteLength - 7), body], {
        untilClosed: true,
        timeoutMs: 1500,
      })
      arena.expect(small.replies[0]?.status === 400, () => `too small: ${small.replies[0]?.status}`)
      const large = await exchange(arena.port, [withLength(body.byteLength + 7), body], { untilClosed: true })
      arena.expect(
        large.isClosedByServer && large.replies[0]?.status === 408,
        () => `too large: ${JSON.stringify(large)}`,
      )
      const ended = await exchange(arena.port, [withLength(body.byteLength + 7), body, 'FIN'], { untilClosed: true })
      arena.expect(
        ended.isClosedByServer && ended.replies.every(({ status }) => status !== 202),
        () => `too large, then FIN: ${JSON.stringify(ended)}`,
      )
      const { byteLength } = body
      for (const values of [
        [byteLength, byteLength + 1],
        [byteLength, byteLength],
        ['-1'],
        ['+5'],
        ['0x10'],
        ['1e3'],
        ['5 5'],
        [''],
        ['9'.repeat(40)],
      ]) {
        const { replies } = await exchange(arena.port, [withLength(...values), body], {
          untilClosed: true,
          timeoutMs: 1500,
        })
        arena.expect(
          replies.length > 0 && replies.every(({ status }) => status >= 400),
          () => `${values}: ${JSON.stringify(replies)}`,
        )
      }
      const both = head([...lines(delivery), ['content-length', byteLength], ['transfer-encoding', 'chunked']])
      const { replies } = await exchange(arena.port, [both, chunk(body), '0\r\n\r\n'])
      arena.expect(replies[0]?.status !== 202, () => 'content-length and transfer-encoding together were accepted')
      arena.expectHandled('a wrong Content-Length')
    },
  },
  {
    name: 'chunks: trailers, extensions, and invalid sizes',
    async run(arena) {
      const delivery = arena.sign()
      const trailed = await exchange(arena.port, [
        chunkedHead(delivery),
        chunk(delivery.body),
        '0\r\nx-trailer: 1\r\n\r\n',
      ])
      arena.expectStatuses('trailers', trailed.replies, 202)
      const { 'svix-signature': signature, ...unsigned } = arena.sign().headers
      const late = head([...Object.entries(unsigned), ['transfer-encoding', 'chunked'], ['trailer', 'svix-signature']])
      const { replies } = await exchange(arena.port, [
        late,
        chunk(delivery.body),
        `0\r\nsvix-signature: ${signature}\r\n\r\n`,
      ])
      arena.expectStatuses('a signature in the trailers', replies, 400)
      const extended = arena.sign()
      const size = extended.body.byteLength.toString(16)
      const extension = Buffer.concat([Buffer.from(`${size};x="y"\r\n`), extended.body, Buffer.from('\r\n0\r\n\r\n')])
      const { replies: ofExtended } = await exchange(arena.port, [chunkedHead(extended), extension])
      arena.expectStatuses('a chunk extension', ofExtended, 202)
      for (const bad of ['xyz\r\n', '-1\r\n', 'ffffffffffffffffff\r\n', '\r\n', '5\r\nabcdefgh\r\n']) {
        const broken = await exchange(arena.port, [chunkedHead(arena.sign()), bad], {
          untilClosed: true,
          timeoutMs: 2000,
        })
        arena.expect(
          broken.replies.every(({ status }) => status >= 400),
          () => `chunk ${JSON.stringify(bad)}: ${JSON.stringify(broken)}`,
        )
      }
      arena.expectHandled('chunks', delivery.eventId, extended.eventId)
    },
  },
  {
    name: 'compressed bodies, including zip bombs',
    async run(arena) {
      for (const [encoding, compress] of Object.entries({
        gzip: (body: Uint8Array) => gzipSync(body, { level: 1 }),
        // Brotli's default quality takes 250 ms for a bomb.
        br: (body: Uint8Array) => brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
        deflate: (body: Uint8Array) => deflateSync(body, { level: 1 }),
      })) {
        const delivery = arena.sign()
        for (const body of [compress(delivery.body), compress(Buffer.alloc(10 * mebibyte))]) {
          const text = head([...lines(delivery), ['content-encoding', encoding], ['content-length', body.byteLength]])
          const { replies } = await exchange(arena.port, [text, body])
          arena.expectStatuses(encoding, replies, 415)
        }
      }
      arena.expectHandled('compressed')
    },
  },
  {
    name: 'header floods',
    async run(arena) {
      const tolerated = arena.sign()
      const { replies } = await exchange(arena.port, [flooded(tolerated, 200, 'x'.repeat(40))])
      arena.expectStatuses('200 headers', replies, 202)
      for (const [count, value] of [
        [1, 'x'.repeat(100_000)],
        [5000, 'x'],
        [1995, ''],
        [2500, ''],
      ] as const) {
        const before = arena.handled.length
        const flood = await exchange(arena.port, [flooded(arena.sign(), count, value)], {
          untilClosed: false,
          timeoutMs: 1500,
        })
        const accepted = flood.replies.filter(({ status }) => status === 202).length
        arena.expect(
          arena.handled.length - before === accepted,
          () => `${count} headers: handled without being accepted`,
        )
      }
      const tokens = Array.from({ length: 250 }, () => `v1,${'A'.repeat(43)}=`).join(' ')
      const { body, headers } = arena.sign()
      const many = { ...headers, 'svix-signature': `${tokens} ${headers['svix-signature']}` }
      const text = head([...Object.entries(many), ['content-length', body.byteLength]])
      arena.expectStatuses('250 signatures', (await exchange(arena.port, [text, body])).replies, 400)
    },
  },
  {
    name: 'repeated headers',
    async run(arena) {
      const delivery = arena.sign()
      const { body, headers } = delivery
      const twice = async (name: string, first: string): Promise<number | undefined> => {
        const text = head([[name, first], ...lines(delivery), ['content-length', body.byteLength]])
        return (await exchange(arena.port, [text, body])).replies[0]?.status
      }
      for (const name of ['svix-id', 'svix-timestamp'] as const) {
        for (const first of ['1', headers[name] as string]) {
          const status = await twice(name, first)
          arena.expect(status === 400, () => `${name} twice: ${status}`)
        }
      }
      arena.expectHandled('an id twice')
      const status = await twice('svix-signature', `v1,${'A'.repeat(43)}=`)
      arena.expect(status === 202, () => `two signature headers: ${status}`)
      arena.expectHandled('two signature headers', delivery.eventId)
    },
  },
  {
    name: '10 MiB against a limit of 1 MiB, declared and not',
    async run(arena) {
      const clients = arena.budget === 'full' ? 12 : 2
      const piece = Buffer.alloc(64 * 1024, 'x')
      const declared = (delivery: RawDelivery): Step[] => [
        head([...lines(delivery), ['content-length', 10 * mebibyte]]),
        ...Array.from({ length: 160 }, () => piece),
      ]
      const undeclared = (delivery: RawDelivery): Step[] => [
        chunkedHead(delivery),
        ...Array.from({ length: 160 }, () => chunk(piece)),
        '0\r\n\r\n',
      ]
      const exchanges = Array.from({ length: clients }, () => [declared, undeclared]).flat()
      await Promise.all(
        exchanges.map(async (steps) => {
          const { replies, isClosedByServer } = await exchange(arena.port, steps(arena.sign()), { untilClosed: true })
          // When a server closes the connection while a client is writing, its reply may be lost.
          const statuses = replies.map(({ status }) => status)
          arena.expect(
            isClosedByServer && statuses.every((status) => status === 413),
            () => `10 MiB: ${statuses}, closed: ${isClosedByServer}`,
          )
        }),
      )
      await arena.expectOutcomes('10 MiB', clients * 2, 'body_too_large')
      arena.expectHandled('10 MiB')
    },
  },
  {
    name: 'clients that disconnect in the middle of a body',
    async run(arena) {
      const clients = arena.budget === 'full' ? 100 : 15
      await Promise.all(
        Array.from({ length: clients }, async (_, index) => {
          const delivery = arena.sign(200)
          const half = delivery.body.subarray(0, index % 2 === 0 ? 0 : delivery.body.byteLength >> 1)
          await exchange(arena.port, [
            head([...lines(delivery), ['content-length', delivery.body.byteLength]]),
            half,
            30,
            'gone',
          ])
        }),
      )
      await arena.expectOutcomes('disconnected midway', clients, 'body_aborted')
      arena.expectHandled('disconnected midway')
    },
  },
  {
    name: 'half-open connections',
    async run(arena) {
      const delivery = arena.sign()
      const { replies } = await exchange(arena.port, [whole(delivery), 'FIN'])
      arena.expectStatuses('a whole request, then FIN', replies, 202)
      const half = arena.sign(100)
      const cut = whole(half).subarray(0, -50)
      const ended = await exchange(arena.port, [cut, 20, 'FIN'], { untilClosed: true })
      arena.expect(
        ended.isClosedByServer && ended.replies.every(({ status }) => status !== 202),
        () => `half, then FIN: ${JSON.stringify(ended)}`,
      )
      // These send nothing or half a head, and are still connected when the server closes.
      await Promise.all(
        [[], ['POST /web'], [head([]).slice(0, -2)], ['\r\n\r\n']].map((steps) =>
          exchange(arena.port, steps, { timeoutMs: 50 }),
        ),
      )
      arena.expectHandled('half-open', delivery.eventId)
    },
  },
  {
    name: 'a crowd of slow clients while honest deliveries pass',
    replyTimeoutMs: (budget) => (budget === 'full' ? 8000 : 1500),
    async run(arena) {
      const clients = arena.budget === 'full' ? 1000 : 100
      const crowd = Array.from({ length: clients }, async () => {
        const { headers, body } = arena.sign(100)
        const text = head([...Object.entries(headers), ['content-length', body.byteLength]])
        const slow = await exchange(arena.port, [text, body.subarray(0, 20)], { untilClosed: true, timeoutMs: 20_000 })
        return slow.replies[0]?.status
      })
      await pause(arena.budget === 'full' ? 1500 : 200)
      const tookMs: number[] = []
      for (let index = 0; index < 20; index += 1) {
        const startedAtMs = performance.now()
        const { replies } = await exchange(arena.port, [whole(arena.sign())])
        arena.expectStatuses('honest during slow', replies, 202)
        tookMs.push(performance.now() - startedAtMs)
      }
      // The median, because the first ones may wait for a busy machine to accept a thousand connections.
      const median = tookMs.sort((one, other) => one - other)[10] as number
      arena.expect(median < 2000, () => `honest during slow took ${median} ms`)
      arena.expect(arena.handled.length === 20, () => `honest during slow: ${arena.handled.length} of 20 handled`)
      const statuses = await Promise.all(crowd)
      const others = statuses.filter((status) => status !== 408)
      arena.cases += clients
      arena.expect(others.length === 0, () => `${others.length} slow clients got ${[...new Set(others)]} and not 408`)
    },
  },
  {
    name: 'heads that are not HTTP, or unusual',
    async run(arena) {
      const good = arena.sign()
      const { headers, body } = good
      const text = (...more: (readonly [string, string])[]): string =>
        head([...Object.entries(headers), ['content-length', body.byteLength], ...more])
      const odd = [
        text([':method', 'POST']),
        text().replace('svix-id:', 'svix-id :'),
        text().replace('svix-id: ', 'svix-id:\r\n '),
        text().replace('svix-id: ', 'svix-id: \0'),
        text().replaceAll('\r\n', '\n'),
        text().replace('POST', 'post'),
        text().replace('POST ', 'POST  '),
        text().replace(' HTTP/1.1', ''),
        text().replace('HTTP/1.1', 'HTTP/9.9'),
        text().replace('host: localhost\r\n', ''),
        text().replace('host: localhost', 'host: a\r\nhost: b'),
        text().replace(path, `${path}/%ff%00`),
        text().replace(path, `/${'a'.repeat(15_000)}`),
        text().replace(path, '*'),
        text().replace('POST', 'CONNECT'),
        text(['connection', 'upgrade'], ['upgrade', 'websocket']),
        text(
          ['connection', 'upgrade, http2-settings'],
          ['upgrade', 'h2c'],
          ['http2-settings', 'AAMAAABkAARAAAAAAAIAAAAA'],
        ),
        'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
        '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
      ]
      const exchanges = odd.map((oddHead) => exchange(arena.port, [oddHead, body], { timeoutMs: 600 }))
      const replies = (await Promise.all(exchanges)).flatMap((one) => one.replies)
      arena.cases += odd.length
      const accepted = replies.filter((reply) => reply.status === 202 && reply.body.includes('accepted')).length
      arena.expect(arena.handled.length === accepted, () => `${arena.handled.length} handled, ${accepted} accepted`)
      const old = arena.sign()
      const options: HeadOptions = { version: 'HTTP/1.0' }
      const { replies: ofOld } = await exchange(arena.port, [
        head([...lines(old), ['content-length', old.body.byteLength]], options),
        old.body,
      ])
      arena.expectStatuses('HTTP/1.0', ofOld, 202)
    },
  },
  {
    name: 'content types of every kind, all signed',
    async run(arena) {
      for (const type of contentTypes) {
        const { 'content-type': _, ...headers } = arena.sign().headers
        const delivery = arena.sign()
        const typed = { ...delivery.headers, ...(type === undefined ? {} : { 'content-type': type }) }
        if (type === undefined) delete (typed as Record<string, string>)['content-type']
        const text = head([...Object.entries(typed), ['content-length', delivery.body.byteLength]])
        const { replies } = await exchange(arena.port, [text, delivery.body])
        arena.expectStatuses(
          `content-type ${JSON.stringify(type)} (${Object.keys(headers).length} others)`,
          replies,
          202,
        )
      }
    },
  },
  {
    name: 'requests with random damage',
    async run(arena) {
      const random = new Random(arena.seed)
      const count = arena.budget === 'full' ? 1500 : 60
      for (let index = 0; index < count; index += 20) {
        await Promise.all(
          Array.from({ length: 20 }, async () => {
            const bytes = damagedAnyhow(whole(arena.sign()), random)
            const { replies } = await exchange(arena.port, [bytes, 'FIN'], { timeoutMs: 700 })
            arena.expect(
              replies.every(({ status }) => status >= 200 && status < 600 && status !== 500),
              () => `${JSON.stringify(replies)}: ${bytes.toString('latin1')}`,
            )
          }),
        )
      }
      const accepted = arena.outcomes.filter(({ result }) => result === 'accepted').length
      arena.expect(arena.handled.length === accepted, () => `${arena.handled.length} handled, ${accepted} accepted`)
    },
  },
]

const contentTypes = [
  undefined,
  '',
  ' ',
  'json',
  'application/json',
  'application/json; charset=utf-16',
  'application/json;;;',
  'application/json; charset',
  'application/json, text/plain',
  'APPLICATION/JSON',
  'application/problem+json',
  'text/plain',
  'text/plain; charset="',
  'multipart/form-data',
  'multipart/form-data; boundary=x',
  'application/x-www-form-urlencoded',
  'application/octet-stream',
  '*/*',
  '*',
  '/',
  'a/',
  '/b',
  'a/b/c',
  'a b/c',
  'a/b c',
  'a/b; c=d; c=e',
  'a/b;c="d\\"e"',
  '__proto__',
  'constructor/prototype',
  '{}/[]',
  'application/json\t;x=y',
  'é/ü',
  `a/${'b'.repeat(5000)}`,
  `${'a/b;'.repeat(500)}`,
  'application/graphql',
  'application/grpc',
] as const

function chunkedHead(delivery: RawDelivery): string {
  return head([...lines(delivery), ['transfer-encoding', 'chunked']])
}

function* singleBytes(bytes: Buffer): Generator<Step> {
  for (let index = 0; index < bytes.byteLength; index += 1) yield bytes.subarray(index, index + 1)
}

function splitInsideCharacters(body: Buffer): Buffer[] {
  const cuts = [...body.keys()].filter((index) => (body[index] as number) >= 0xc0).map((index) => index + 1)
  return [0, ...cuts].map((start, index) => body.subarray(start, cuts[index] ?? body.byteLength))
}

function flooded(delivery: RawDelivery, count: number, value: string): Buffer {
  const flood = Array.from({ length: count }, () => ['x', value] as const)
  const text = head([...flood, ...lines(delivery), ['content-length', delivery.body.byteLength]])
  return Buffer.concat([Buffer.from(text, 'latin1'), delivery.body])
}

function damagedAnyhow(bytes: Buffer, random: Random): Buffer {
  let damaged = Buffer.from(bytes)
  do {
    const at = random.below(damaged.byteLength)
    const roll = random.below(4)
    if (roll === 0) damaged[at] = random.below(256)
    else if (roll === 1) damaged = damaged.subarray(0, at)
    else if (roll === 2)
      damaged = Buffer.concat([damaged.subarray(0, at), random.bytes(random.below(9)), damaged.subarray(at)])
    else damaged = Buffer.concat([damaged.subarray(0, at), damaged.subarray(at + random.below(9))])
  } while (random.chance(0.4) && damaged.byteLength > 0)
  return damaged
}

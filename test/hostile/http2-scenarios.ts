import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from 'node:http2'
import { gzipSync } from 'node:zlib'
import { type Arena, path, pause, type RawDelivery } from './arena.ts'
import { deferred } from './deferred.ts'
import type { SocketScenario } from './socket-scenarios.ts'

interface Http2Reply {
  readonly status: number | undefined
  readonly body: string
}

type Writing = (write: (bytes: Uint8Array) => Promise<void>, end: () => void, reset: () => void) => Promise<void>

async function onSession<Result>(
  arena: Arena,
  work: (session: ClientHttp2Session) => Promise<Result>,
): Promise<Result> {
  const session = connect(`http://127.0.0.1:${arena.port}`)
  session.on('error', () => {})
  try {
    return await work(session)
  } finally {
    session.destroy()
    await pause(10)
  }
}

async function request(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  writing: Writing,
): Promise<Http2Reply> {
  const stream = session.request({ ':method': 'POST', ':path': path, ...headers })
  let status: number | undefined
  let body = ''
  const closed = deferred()
  const timer = setTimeout(closed.resolve, 15_000)
  stream.on('response', (received) => {
    status = received[':status']
  })
  stream.setEncoding('utf8').on('data', (text: string) => {
    body += text
  })
  stream.on('end', closed.resolve).on('close', closed.resolve).on('error', closed.resolve)
  const write = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve) =>
      stream.destroyed || !stream.writable ? resolve() : void stream.write(bytes, () => resolve()),
    )
  await Promise.race([
    writing(
      write,
      () => stream.end(),
      () => stream.destroy(new Error('gone')),
    ),
    closed.promise,
  ])
  await closed.promise
  clearTimeout(timer)
  stream.destroy()
  return { status, body }
}

function wholeBody({ body }: RawDelivery): Writing {
  return async (write, end) => {
    await write(body)
    end()
  }
}

async function expectHonest(arena: Arena, session: ClientHttp2Session, what: string): Promise<void> {
  const delivery = arena.sign()
  const { status } = await request(session, delivery.headers, wholeBody(delivery))
  arena.expect(status === 202, () => `${what}: an honest delivery got ${status}`)
}

const mebibyte = 1024 * 1024

/** Hostile HTTP/2 clients. */
export const http2Scenarios: readonly SocketScenario[] = [
  {
    name: 'a body that arrives byte by byte, with and without its length',
    async run(arena) {
      await onSession(arena, async (session) => {
        for (const declared of [true, false]) {
          const delivery = arena.sign()
          const { headers, body } = delivery
          const length = declared ? { 'content-length': body.byteLength } : {}
          const { status } = await request(session, { ...headers, ...length }, async (write, end) => {
            for (const byte of body) await write(Buffer.of(byte))
            end()
          })
          arena.expect(status === 202, () => `byte by byte: ${status}`)
        }
      })
    },
  },
  {
    name: 'headers: missing, repeated, compressed, many, connection-specific',
    async run(arena) {
      await onSession(arena, async (session) => {
        const delivery = arena.sign()
        const { headers } = delivery
        const flood = Object.fromEntries(Array.from({ length: 80 }, (_, index) => [`x-${index}`, 'flood']))
        const cases: [OutgoingHttpHeaders, number][] = [
          [{}, 400],
          [{ ...headers, 'svix-id': [headers['svix-id'] as string, 'other'] }, 400],
          [{ ...headers, 'content-encoding': 'gzip' }, 415],
          [{ ...headers, ':method': 'PUT' }, 405],
          [{ ...headers, ...flood }, 202],
        ]
        for (const [sent, expected] of cases) {
          const { status } = await request(session, sent, wholeBody(delivery))
          arena.expect(status === expected, () => `${Object.keys(sent).slice(-1)}: expected ${expected}, got ${status}`)
        }
        arena.expectHandled('headers on HTTP/2', delivery.eventId)
      })
    },
  },
  {
    name: 'a wrong length, and streams that are reset midway',
    async run(arena) {
      const clients = arena.budget === 'full' ? 100 : 15
      await onSession(arena, async (session) => {
        for (const more of [-3, 3]) {
          const delivery = arena.sign()
          const length = { 'content-length': delivery.body.byteLength + more }
          const { status } = await request(session, { ...delivery.headers, ...length }, wholeBody(delivery))
          arena.expect(status !== 202, () => `a wrong length: ${status}`)
        }
      })
      arena.outcomes.length = 0
      await onSession(arena, async (session) => {
        await Promise.all(
          Array.from({ length: clients }, async () => {
            const delivery = arena.sign()
            await request(session, delivery.headers, async (write, _end, reset) => {
              await write(delivery.body.subarray(0, 20))
              await pause(30)
              reset()
            })
          }),
        )
        await arena.expectOutcomes('reset midway', clients, 'body_aborted')
        await expectHonest(arena, session, 'after resets')
      })
      arena.expect(arena.handled.length === 1, () => `resets: ${arena.handled.length} handled`)
    },
  },
  {
    name: '10 MiB against a limit of 1 MiB, declared and not, compressed and not',
    async run(arena) {
      await onSession(arena, async (session) => {
        for (const more of [{}, { 'content-length': 10 * mebibyte }]) {
          const { status } = await request(session, { ...arena.sign().headers, ...more }, async (write, end) => {
            for (let index = 0; index < 160; index += 1) await write(Buffer.alloc(64 * 1024))
            end()
          })
          arena.expect(status === 413 || status === undefined, () => `10 MiB: ${status}`)
        }
        await arena.expectOutcomes('10 MiB', 2, 'body_too_large')
        const bomb = gzipSync(Buffer.alloc(10 * mebibyte))
        const { status } = await request(
          session,
          { ...arena.sign().headers, 'content-encoding': 'gzip' },
          async (write, end) => {
            await write(bomb)
            end()
          },
        )
        arena.expect(status === 415, () => `a zip bomb: ${status}`)
      })
      await onSession(arena, (session) => expectHonest(arena, session, 'after 10 MiB'))
    },
  },
  {
    name: 'a crowd of slow streams while honest deliveries pass',
    replyTimeoutMs: (budget) => (budget === 'full' ? 6000 : 1500),
    async run(arena) {
      const sessions = arena.budget === 'full' ? 20 : 4
      const crowd = Array.from({ length: sessions }, () =>
        onSession(arena, async (session) => {
          const streams = Array.from({ length: 50 }, async () => {
            const { headers, body } = arena.sign()
            return await request(session, headers, (write) => write(body.subarray(0, 20)))
          })
          const statuses = (await Promise.all(streams)).map(({ status }) => status)
          arena.cases += statuses.length
          arena.expect(
            statuses.every((status) => status === 408),
            () => `slow streams: ${[...new Set(statuses)]}`,
          )
        }),
      )
      await pause(300)
      await onSession(arena, async (session) => {
        for (let index = 0; index < 20; index += 1) await expectHonest(arena, session, 'during slow streams')
      })
      await Promise.all(crowd)
    },
  },
  {
    name: 'a partly read stream ends with its reply',
    replyTimeoutMs: (budget) => (budget === 'full' ? 5000 : 1000),
    async run(arena) {
      await onSession(arena, async (session) => {
        const streams = Array.from({ length: 20 }, (_, index) => {
          const stream = session.request({ ':method': 'POST', ':path': path, ...arena.sign().headers })
          stream.on('error', () => {}).resume()
          // Half of the streams are too slow, half too large. None ever ends.
          const pieces = index % 2 === 0 ? 1 : 40
          const write = (left: number): void =>
            void (left > 0 && stream.write(Buffer.alloc(30_000), () => write(left - 1)))
          write(pieces)
          return stream
        })
        await arena.expectOutcomes('too slow', streams.length / 2, 'body_timeout')
        await arena.expectOutcomes('too large', streams.length / 2, 'body_too_large')
        await pause(200)
        // A client that is still writing does not notice that its stream was closed, but the next delivery on its connection does.
        await expectHonest(arena, session, 'after half-read streams')
      })
    },
  },
]

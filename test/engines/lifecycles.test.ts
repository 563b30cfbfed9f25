import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasProgram } from './installed-engines.ts'
import { cases, type HostName, type InboxName, runCase, startEngine } from './lifecycles.ts'
import type { EngineServer } from './servers.ts'

/** `pnpm test:engines` runs every case on each host and each inbox. Here, one of each class. */
const chosen: readonly (readonly [name: string, host: HostName, inbox: InboxName])[] = [
  ['clock set forward by 5 d', 'koa', 'SQLite'],
  ['clock set back by 5 d', 'fetch', 'bullmq'],
  ['clock set back by 290 s', 'node', 'pg-boss'],
  ['blocked for longer than the lease', 'express', 'SQLite'],
  ['SIGTERM, and a handler of 30 s that heeds its signal', 'fastify', 'SQLite'],
  ['SIGTERM, and a handler of 30 s that ignores its signal', 'fastify', 'pg-boss'],
  ['SIGINT, and a handler of 30 s that ignores its signal', 'express', 'none'],
  ['engine away at start', 'koa', 'pg-boss'],
  ['engine away at start', 'fastify', 'SQLite'],
]

const isMissing = (inbox: InboxName): boolean =>
  (inbox === 'bullmq' && !hasProgram('redis')) || (inbox === 'pg-boss' && !hasProgram('postgres'))

describe.each([...new Set(chosen.map(([, , inbox]) => inbox))])('a server, with an inbox of the kind %s', (inbox) => {
  let engine: EngineServer | undefined

  beforeAll(async () => {
    if (!isMissing(inbox)) engine = await startEngine(inbox)
  })

  afterAll(() => engine?.dispose())

  it.skipIf(isMissing(inbox)).each(chosen.filter((one) => one[2] === inbox))(
    'keeps what the guides promise: %s, on %s',
    async (name, host) => {
      expect(await runCase({ name, host, inbox }, engine)).toEqual(expect.any(String))
    },
    120_000,
  )
})

it('chooses only cases that exist', () => {
  expect(cases.map(({ name }) => name)).toEqual(expect.arrayContaining(chosen.map(([name]) => name)))
})

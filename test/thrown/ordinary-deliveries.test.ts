import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { inboxEngines, newPlaceName, openPlace, openServer, serverOf } from '../engines/engine-inboxes.ts'
import { hasEngine } from '../engines/installed-engines.ts'
import { hosts } from '../hosts/hosts.ts'
import type { Report, Subject } from './ordinary-process.ts'

interface Kind {
  readonly name: string
  readonly isMissing?: boolean
  /** Opens a place for the events, until the test ends. */
  open(): Promise<Subject>
}

const kinds: readonly Kind[] = [
  { name: 'no inbox', open: async () => ({ kind: 'none' }) },
  { name: 'an inbox in memory', open: async () => ({ kind: 'memory' }) },
  {
    name: 'an inbox in SQLite',
    async open() {
      const folder = mkdtempSync(join(tmpdir(), 'scrapenest-ordinary-'))
      onTestFinished(() => rmSync(folder, { recursive: true }))
      return { kind: 'SQLite', file: join(folder, 'webhooks.db') }
    },
  },
  ...inboxEngines.map(
    (engine): Kind => ({
      name: `an inbox in ${engine}`,
      isMissing: !hasEngine(serverOf[engine]),
      async open() {
        const server = await openServer(engine)
        const place = { url: server.url, name: newPlaceName() }
        onTestFinished(async () => {
          await openPlace(engine, place).dispose()
          await server.dispose()
        })
        return { kind: engine, ...place }
      },
    }),
  ),
]

/** How BullMQ learns that a job has been dealt with. Always the same error. */
const protocol = /^WaitingError: .*, #process, packages\/inbox-bullmq\/src\/queue-worker\.ts:/

let child: ChildProcess

beforeAll(() => {
  child = fork(join(import.meta.dirname, 'ordinary-process.ts'))
})

afterAll(() => child.kill())

async function reportOn(subject: Subject): Promise<Report> {
  child.send(subject)
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`The process exited with ${code}.`)
  })
  const [report] = (await Promise.race([once(child, 'message'), exited])) as [Report]
  return report
}

// An error costs more than the rest of a delivery, and one that is caught shows nowhere else.
describe.each(kinds)('with $name', ({ isMissing = false, open }) => {
  it.skipIf(isMissing)(
    'an ordinary delivery throws no error on any host',
    async () => {
      const { observed, stats } = await reportOn(await open())
      expect(new Set(observed.map(({ host }) => host))).toEqual(new Set(hosts.map((host) => host.name)))
      for (const { host, ordinary, forged } of observed) {
        const unexpected = ordinary.thrown.map(({ error, thrower }) => `${error}, ${thrower}`)
        expect(
          unexpected.filter((line) => !protocol.test(line)),
          host,
        ).toEqual([])
        expect(ordinary.answers, host).toEqual({
          handled: '202 {"status":"accepted"}',
          rotating: '202 {"status":"accepted"}',
          unhandled: '202 {"status":"accepted"}',
          unknown: '202 {"status":"accepted"}',
          long: '202 {"status":"accepted"}',
          duplicate: '202 {"status":"duplicate"}',
        })
        // Shows that the watch sees what the packages throw and catch.
        expect(forged.answer, host).toBe('400 {"error":"signature_mismatch"}')
        expect(forged.thrown[0]?.thrower, host).toMatch(/^matchSignature, packages\/core\/src\/verify\/verify\.ts:/)
      }
      if (stats === undefined) return
      expect(stats).toMatchObject({ ready: 0, running: 0, dead: 0 })
      expect(stats.done).toBeGreaterThanOrEqual(5 * observed.length)
    },
    60_000,
  )
})

import { type InboxTarget, inboxChecks } from '@scrapenest-webhooks/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inboxEngines, newPlaceName, openPlace, openServer, serverOf } from './engine-inboxes.ts'
import { hasEngine, mustHaveEngines, provideCommand } from './installed-engines.ts'

/** The result of each check on each engine, with the reason unless it passed. */
const cells = new Map<string, string>()

// Engines without a server are checked in `packages/inbox`.
describe.each(inboxEngines)('an inbox on %s', (engine) => {
  const server = serverOf[engine]
  const isMissing = !hasEngine(server)
  let opened: Awaited<ReturnType<typeof openServer>>

  const target: InboxTarget = {
    name: engine,
    timeoutMs: 10_000,
    createPlace() {
      const place = openPlace(engine, { url: opened.url, name: newPlaceName() })
      return { open: (options) => place.createInbox(options), dispose: () => place.dispose() }
    },
  }

  beforeAll(async () => {
    if (!isMissing) opened = await openServer(engine)
  })

  afterAll(() => opened?.dispose())

  if (isMissing) {
    it.runIf(mustHaveEngines)(`has its server installed (run ${provideCommand})`, () => {
      expect.unreachable(`${server} is not installed`)
    })
  }

  describe.concurrent('passes the check', () => {
    it.skipIf(isMissing).each(inboxChecks)('$id $name', async ({ id, run }) => {
      const { cell, missing } = await run(target)
      cells.set(`${engine} ${id}`, [cell, ...missing].join(', '))
    })
  })

  it.skipIf(isMissing)('passes every check, apart from its declared capabilities', () => {
    const exceptions = inboxChecks
      .map(({ id }) => [id, cells.get(`${engine} ${id}`)] as const)
      .filter(([, cell]) => cell !== 'pass')

    expect(Object.fromEntries(exceptions)).toMatchSnapshot()
  })
})

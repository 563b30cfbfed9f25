import { type InboxTarget, inboxChecks } from '@scrapenest-webhooks/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { inboxEngines, newPlaceName, openPlace, openServer, serverOf } from './engine-inboxes.ts'
import { hasEngine, mustHaveEngines, provideCommand } from './installed-engines.ts'

/** The result of each check on each engine, with the reason unless it passed. */
const cells = new Map<string, string>()

// All checks share one process and one server. With more at a time, a busy machine cannot answer each put in time.
vi.setConfig({ maxConcurrency: 6 })

// Engines without a server are checked in `packages/inbox`.
describe.each(inboxEngines)('an inbox on %s', (engine) => {
  const server = serverOf[engine]
  const isMissing = !hasEngine(server)
  let opened: Awaited<ReturnType<typeof openServer>>

  const target: InboxTarget = {
    name: engine,
    timeoutMs: 10_000,
    createStorage() {
      const place = openPlace(engine, { url: opened.url, name: newPlaceName() })
      return { open: (options) => place.createInbox(options), dispose: () => place.dispose() }
    },
  }

  beforeAll(async () => {
    if (isMissing) return
    opened = await openServer(engine)
    await warmUp(target)
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

/** The first commands of a process wait for its modules to load and compile. */
async function warmUp({ createStorage }: InboxTarget): Promise<void> {
  const { open, dispose } = await createStorage()
  const inbox = open({})
  await vi.waitFor(() => inbox.check?.(), 30_000)
  await inbox.close()
  await dispose?.()
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Inbox, type InboxCapabilities, memoryInbox } from '@scrapenest-webhooks/inbox'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type InboxSuiteHost, inboxChecks } from '../../packages/inbox/test/suite.ts'
import { inboxEngines, newPlaceName, openPlace, openServer, serverOf } from './engine-inboxes.ts'
import { hasEngine, provideCommand } from './installed-engines.ts'

const cells = new Map<string, string>()

describe.each(inboxEngines)('an inbox on %s', (engine) => {
  const server = serverOf[engine]
  const isMissing = server !== undefined && !hasEngine(server)
  let opened: Awaited<ReturnType<typeof openServer>>
  let folder: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'scrapenest-suite-'))
    if (!isMissing) opened = await openServer(engine)
  })

  afterAll(async () => {
    await opened?.dispose()
    rmSync(folder, { recursive: true, force: true })
  })

  if (isMissing) {
    it.runIf(process.env['CI'])(`has its server on this machine (${provideCommand} installs it)`, () => {
      expect.unreachable(`${server} is missing`)
    })
  }

  it.skipIf(isMissing).each(inboxChecks)('$id $name', async ({ id, run }) => {
    cells.set(`${engine} ${id}`, 'FAIL')
    const missing = new Set<string>()
    const place = openPlace(engine, { url: opened.url, name: newPlaceName(), file: join(folder, `${id}.db`) })
    onTestFinished(() => place.dispose())
    const host: InboxSuiteHost = {
      create(options = {}) {
        const inbox = place.createInbox(options)
        onTestFinished(() => inbox.close({ graceMs: 0 }))
        return watchingCapabilities(inbox, missing)
      },
    }
    await run(host)
    cells.set(`${engine} ${id}`, missing.size === 0 ? 'pass' : `pass without ${[...missing].join(', ')}`)
  })
})

/** Notes what a check asked for and the engine cannot do: the check then asks for less. */
function watchingCapabilities(inbox: Inbox, missing: Set<string>): Inbox {
  const capabilities = new Proxy(inbox.capabilities, {
    get(target, name: keyof InboxCapabilities) {
      const isLess = JSON.stringify(target[name]) !== JSON.stringify(memoryInbox().capabilities[name])
      if (isLess && !name.startsWith('is')) missing.add(`${name}: ${String(memoryInbox().capabilities[name])}`)
      return target[name]
    },
  })
  return Object.defineProperty(inbox, 'capabilities', { value: capabilities })
}

afterAll(() => {
  const matrix = inboxChecks.map(({ id, name }) => ({
    ...Object.fromEntries(inboxEngines.map((engine) => [engine, cells.get(`${engine} ${id}`) ?? 'not run'])),
    check: `${id} ${name}`,
  }))
  console.table(matrix)
})

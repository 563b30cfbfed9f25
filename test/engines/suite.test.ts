import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
    const place = openPlace(engine, { url: opened.url, name: newPlaceName(), file: join(folder, `${id}.db`) })
    onTestFinished(() => place.dispose())
    const host: InboxSuiteHost = {
      create(options = {}) {
        const inbox = place.createInbox(options)
        onTestFinished(() => inbox.close({ graceMs: 0 }))
        return inbox
      },
    }
    await run(host)
    cells.set(`${engine} ${id}`, 'pass')
  })
})

afterAll(() => {
  const matrix = inboxChecks.map(({ id, name }) => ({
    ...Object.fromEntries(inboxEngines.map((engine) => [engine, cells.get(`${engine} ${id}`) ?? 'not run'])),
    check: `${id} ${name}`,
  }))
  console.table(matrix)
})

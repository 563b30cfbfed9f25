import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type InboxCheckResult, type InboxTarget, inboxChecks } from '@scrapenest-webhooks/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inboxEngines, newPlaceName, openPlace, openServer, serverOf } from './engine-inboxes.ts'
import { hasEngine, provideCommand } from './installed-engines.ts'

const cells = new Map<string, string>()

describe.each(inboxEngines)('an inbox on %s', (engine) => {
  const server = serverOf[engine]
  const isMissing = server !== undefined && !hasEngine(server)
  let opened: Awaited<ReturnType<typeof openServer>>
  let folder: string

  const target: InboxTarget = {
    name: engine,
    createPlace() {
      const name = newPlaceName()
      const place = openPlace(engine, { url: opened.url, name, file: join(folder, `${name}.db`) })
      return { open: (options) => place.createInbox(options), dispose: () => place.dispose() }
    },
  }

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
    cells.set(`${engine} ${id}`, cellOf(await run(target)))
  })
})

function cellOf({ cell, missing }: InboxCheckResult): string {
  return [cell, missing.join(', ')].filter(Boolean).join(' ')
}

afterAll(() => {
  const matrix = inboxChecks.map(({ id, name }) => ({
    ...Object.fromEntries(inboxEngines.map((engine) => [engine, cells.get(`${engine} ${id}`) ?? 'not run'])),
    check: `${id} ${name}`,
  }))
  console.table(matrix)
})

import { describe, it, onTestFinished } from 'vitest'
import { type Inbox, memoryInbox, sqliteInbox } from '../src/index.ts'
import { type InboxSuiteHost, type InboxSuiteOptions, inboxChecks } from './suite.ts'
import { temporaryFile } from './temporary-file.ts'

const engines: readonly { readonly engine: string; readonly create: (options: InboxSuiteOptions) => Inbox }[] = [
  { engine: 'memory', create: memoryInbox },
  { engine: 'sqlite', create: (options) => sqliteInbox({ file: temporaryFile(), ...options }) },
]

describe.each(engines)('an inbox in $engine', ({ create }) => {
  it.each(inboxChecks)('$id $name', async ({ run }) => {
    const host: InboxSuiteHost = {
      create(options = {}) {
        const inbox = create(options)
        onTestFinished(() => inbox.close({ graceMs: 0 }))
        return inbox
      },
    }
    await run(host)
  })
})

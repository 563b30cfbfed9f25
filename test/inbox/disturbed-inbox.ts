// An inbox under load in a separate process, disturbed from inside on request: node disturbed-inbox.ts <file> <ledger>
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createWorker, sqliteInbox } from '@scrapenest-webhooks/inbox'
import { createInboxEvent } from '@scrapenest-webhooks/testing'
import { disturbances, isRefusal } from './disturbances.ts'

const [file = '', ledger = ''] = process.argv.slice(2)
const inbox = sqliteInbox({ file, leaseMs: 400, pollIntervalMs: 50, backoff: () => 20 })
const worker = createWorker({ inbox, onEvent: { '*': () => {} }, logger: { warn() {}, error() {} } })

/** Stores one event and records its acknowledgement in the ledger. */
async function store(): Promise<boolean> {
  const event = createInboxEvent()
  try {
    await inbox.put(event)
  } catch {
    return false
  }
  appendFileSync(ledger, `${event.eventId}\n`)
  return true
}

async function storeForever(): Promise<never> {
  for (;;) {
    await store()
    await sleep(Math.random() * 20)
  }
}

process.on('message', async (name: string) => {
  try {
    // A successful put means that the inbox has noticed every earlier change to its file.
    if (name === 'settle') while (!(await store()));
    else await disturbances[name]?.(file)
    process.send?.('done')
  } catch (error) {
    if (!isRefusal(error)) throw error
    process.send?.('refused')
  }
})
// Exits with its parent.
process.once('disconnect', () => process.exit())
await worker.start()
while (!(await store()));
process.send?.('started')
for (let sender = 0; sender < 4; sender += 1) void storeForever()

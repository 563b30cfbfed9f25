// A worker in a separate process: node worker.ts <file> <ledger> <label>
import { appendFileSync } from 'node:fs'
import { createWorker, sqliteInbox } from '@scrapenest-webhooks/inbox'

const [file = '', ledger = '', label = ''] = process.argv.slice(2)

const worker = createWorker({
  inbox: sqliteInbox({
    file,
    concurrency: 20,
    maxAttempts: 3,
    leaseMs: 1000,
    pollIntervalMs: 50,
    // Spreads the retries, so that no other event runs alongside the killer three times.
    backoff: () => Math.random() * 5000,
  }),
  onEvent: {
    'job.created': (event) => appendFileSync(ledger, `${label} ${event.event_id}\n`),
    // Kills its process without an error, an exit handler or any output.
    'artifact.ready': () => process.kill(process.pid, 'SIGKILL'),
  },
  logger: { warn() {}, error() {} },
})
await worker.start()
process.once('SIGTERM', () => void worker.close())
// Exits with its parent, without waiting for it.
process.once('disconnect', () => process.exit())
process.channel?.unref()

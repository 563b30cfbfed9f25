// One worker in a process of its own: node worker.ts <file> <ledger> <label>
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
    // Wide enough that no other event comes back three times in the very moment in which the one that kills does.
    backoff: () => Math.random() * 5000,
  }),
  onEvent: {
    'job.created': (event) => appendFileSync(ledger, `${label} ${event.event_id}\n`),
    // The event that kills its process: no error, no exit handler, nothing is written.
    'artifact.ready': () => process.kill(process.pid, 'SIGKILL'),
  },
  logger: { warn() {}, error() {} },
})
await worker.start()
process.once('SIGTERM', () => void worker.close())
// Never outlives the one who started it, and does not wait for it either.
process.once('disconnect', () => process.exit())
process.channel?.unref()

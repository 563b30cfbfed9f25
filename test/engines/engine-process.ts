// A web or a worker process of a load, so that it can be killed:
// node engine-process.ts <web|worker> <engine> <url> <place> <secret> <ledger>
import { appendFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { PermanentError } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks } from '@scrapenest-webhooks/fastify'
import { createWorker } from '@scrapenest-webhooks/inbox'
import Fastify from 'fastify'
import { type InboxEngine, openPlace } from './engine-inboxes.ts'

const [role, engine, url = '', place = '', secret = '', ledger = ''] = process.argv.slice(2)

const longestDelayMs = Number(process.env['INBOX_LONGEST_DELAY_MS'] ?? 1000)
const inbox = openPlace(engine as InboxEngine, { url, name: place }).createInbox({
  concurrency: Number(process.env['INBOX_CONCURRENCY'] ?? 20),
  maxAttempts: Number(process.env['INBOX_MAX_ATTEMPTS'] ?? 8),
  leaseMs: Number(process.env['INBOX_LEASE_MS'] ?? 2000),
  pollIntervalMs: 200,
  backoff: () => 100 + Math.random() * (longestDelayMs - 100),
})
const logger = { warn() {}, error() {} }

/** One line is one run of the handlers; the lines of processes that write at once do not mix. */
function write(what: 'done' | 'gave-up', eventId: string | undefined): void {
  appendFileSync(ledger, `${what} ${process.pid} ${eventId} ${Date.now()}\n`)
}

async function web(): Promise<void> {
  const app = Fastify()
  await app.register(scrapenestWebhooks, {
    path: '/webhooks/scrapenest',
    secret: secret as `whsec_${string}`,
    inbox,
    processing: false,
    logger,
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  process.once('SIGTERM', () => void app.close())
  ready((app.server.address() as AddressInfo).port)
}

async function work(): Promise<void> {
  const worker = createWorker({
    inbox,
    logger,
    onEvent: {
      'job.created': async (event) => {
        write('done', event.event_id)
        // Between what a handler did and the record of it: a kill in here makes it run again.
        await sleep(Math.random() * 20)
      },
      // The event that kills its process: no error, no exit handler, nothing is written.
      'artifact.ready': () => void process.kill(process.pid, 'SIGKILL'),
      'job.completed': (event) => {
        write('gave-up', event.event_id)
        throw new PermanentError('never')
      },
    },
  })
  process.once('SIGTERM', () => void worker.close())
  // Where the engine is out of reach at the start, the worker goes on trying.
  await worker.start().catch(() => {})
  ready(0)
}

function ready(port: number): void {
  // Now: a process that is killed does not come to do it at its end, and it stops the process for a while.
  flushCompileCache()
  process.send?.({ port })
}

await (role === 'web' ? web() : work())

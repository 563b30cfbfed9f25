// A web or worker process of a load, which can be killed:
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

/** Appends one line per run of the handlers. Lines of concurrent processes do not mix. */
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
        // A kill here, after the handler's work but before its completion, makes it run again.
        await sleep(Math.random() * 20)
      },
      // Kills its process without an error, an exit handler or any output.
      'artifact.ready': () => void process.kill(process.pid, 'SIGKILL'),
      'job.completed': (event) => {
        write('gave-up', event.event_id)
        throw new PermanentError('never')
      },
    },
  })
  process.once('SIGTERM', () => void worker.close())
  // If the engine is unavailable at startup, the worker keeps trying.
  await worker.start().catch(() => {})
  ready(0)
}

function ready(port: number): void {
  // Before any load, because it blocks for a while, and a killed process would never do it at exit.
  flushCompileCache()
  process.send?.({ port })
}

await (role === 'web' ? web() : work())

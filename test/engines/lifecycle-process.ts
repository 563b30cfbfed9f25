// A server with an inbox, controlled by its parent:
// node lifecycle-process.ts <host> <inbox> <place> <name> <secret>
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { getRequestListener } from '@hono/node-server'
import type { Receiver, ReceiverOptions, ScrapeNestEvents } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks as onFetch } from '@scrapenest-webhooks/core/fetch'
import { scrapenestWebhooks as onExpress } from '@scrapenest-webhooks/express'
import { scrapenestWebhooks as onFastify } from '@scrapenest-webhooks/fastify'
import { type Inbox, type InboxOptions, memoryInbox, sqliteInbox } from '@scrapenest-webhooks/inbox'
import { scrapenestWebhooks as onKoa } from '@scrapenest-webhooks/koa'
import { scrapenestWebhooks as onNode } from '@scrapenest-webhooks/node'
import express from 'express'
import Fastify from 'fastify'
import Koa from 'koa'
import { type InboxEngine, openPlace } from './engine-inboxes.ts'
import type { Command, Report } from './lifecycles.ts'

const [host, kind, place = '', name = '', secret = ''] = process.argv.slice(2)
const path = '/webhooks/scrapenest'

/** How long the slow handlers run. */
const slowMs = 30_000

function send(report: Report): void {
  // Closing may report something once the parent no longer listens.
  if (process.connected) process.send?.(report)
}

/** Sets the clock of this process, as an operator sets that of a machine. Monotonic time and timers are unaffected. */
function setClock(byMs: number): void {
  const RealDate = Date
  const now = (): number => RealDate.now() + byMs
  globalThis.Date = class extends RealDate {
    constructor(...given: unknown[]) {
      super(...((given.length === 0 ? [now()] : given) as [number]))
    }
    static override now = now
  } as DateConstructor
}

function createInbox(options: InboxOptions): Inbox | undefined {
  if (kind === 'none') return undefined
  if (kind === 'memory') return memoryInbox(options)
  if (kind === 'SQLite') return sqliteInbox({ file: place, ...options })
  return openPlace(kind as InboxEngine, { url: place, name }).createInbox(options)
}

let ignoresSignals = false
let finish: () => void = () => {}
const finished = new Promise<void>((resolve) => {
  finish = resolve
})

const inbox = createInbox({ leaseMs: 6000, backoff: () => 1500 })
const options: ReceiverOptions<ScrapeNestEvents> = {
  secret,
  ...(inbox && { inbox }),
  logger: { warn: (_fields, message) => send({ logged: message }), error: () => {} },
  onError: (_error, { code }) => send({ reported: code }),
  onEvent: {
    'job.created': ({ event_id }) => send({ ran: event_id }),
    // Fails once.
    'job.completed': ({ event_id }, { attempt }) => {
      send({ ran: event_id })
      if (attempt === 1) throw new Error('once')
    },
    // Runs until the parent ends it.
    'artifact.ready': async ({ event_id }, { signal }) => {
      send({ ran: event_id })
      await Promise.race([finished, sleep(slowMs, undefined, ignoresSignals ? {} : { signal })])
    },
  },
}

interface Running {
  readonly server: Server
  readonly receiver: Pick<Receiver<ScrapeNestEvents, never>, 'start' | 'close'>
  /** As in `docs/guides/going-live.md`. */
  stop(): Promise<unknown>
}

async function serve(): Promise<Running> {
  if (host === 'fastify') {
    const app = Fastify({ forceCloseConnections: true })
    await app.register(onFastify, { path, ...options })
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { server: app.server, receiver: app.scrapenest, stop: () => app.close() }
  }
  const { listener, receiver } = createListener()
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    server,
    receiver,
    async stop() {
      server.close()
      await receiver.close()
      server.closeAllConnections()
    },
  }
}

function createListener(): { listener: Parameters<typeof createServer>[1] } & Pick<Running, 'receiver'> {
  if (host === 'koa') {
    const webhooks = onKoa({ path, ...options })
    return { listener: new Koa().use(webhooks).callback(), receiver: webhooks.receiver }
  }
  if (host === 'express') {
    const webhooks = onExpress({ path, ...options })
    return { listener: express().use(webhooks), receiver: webhooks.receiver }
  }
  if (host === 'node') {
    const webhooks = onNode({ path, ...options })
    return { listener: webhooks, receiver: webhooks.receiver }
  }
  const webhooks = onFetch({ path, ...options })
  void webhooks.receiver.start().catch(() => {})
  return { listener: getRequestListener(webhooks), receiver: webhooks.receiver }
}

const running = await serve()
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, async () => {
    await running.stop()
    // Its timer would keep the process alive.
    if (ignoresSignals) process.exit()
    process.disconnect()
  })
}
process.on('message', async (command: Command) => {
  if ('setClockByMs' in command) setClock(command.setClockByMs)
  if ('blockForMs' in command) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, command.blockForMs)
  if ('finish' in command) finish()
  if ('ignoreSignals' in command) ignoresSignals = true
  if ('stats' in command) send({ stats: (await inbox?.stats().catch(() => undefined)) ?? {} })
})
send({ port: (running.server.address() as AddressInfo).port })

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { scrapenestWebhooks } from '@scrapenest-webhooks/express'
import { type Inbox, memoryInbox, sqliteInbox } from '@scrapenest-webhooks/inbox'
import { createEvent, deliver, generateSecret, signDelivery, untilInboxStats } from '@scrapenest-webhooks/testing'
import express from 'express'
import { expect, it, onTestFinished, vi } from 'vitest'
import {
  type InboxEngine,
  inboxEngines,
  newPlaceName,
  openPlace,
  openServer,
  serverOf,
} from '../engines/engine-inboxes.ts'
import { hasEngine } from '../engines/installed-engines.ts'

function temporaryInbox(): Inbox {
  const folder = mkdtempSync(join(tmpdir(), 'scrapenest-tenants-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return sqliteInbox({ file: join(folder, 'webhooks.db') })
}

async function engineInbox(engine: InboxEngine): Promise<Inbox> {
  const server = await openServer(engine)
  onTestFinished(() => server.dispose())
  return openPlace(engine, { url: server.url, name: newPlaceName() }).createInbox()
}

const inboxes: readonly [string, () => Inbox | undefined | Promise<Inbox>][] = [
  ['without an inbox', () => undefined],
  ['with an inbox in memory', () => memoryInbox()],
  ['with an inbox in SQLite', temporaryInbox],
  ...inboxEngines
    .filter((engine) => hasEngine(serverOf[engine]))
    .map((engine): [string, () => Promise<Inbox>] => [`with an inbox on ${engine}`, () => engineInbox(engine)]),
]

it.each(inboxes)(
  "%s, an event is not a duplicate of another tenant's event with the same id",
  async (_kind, create) => {
    const inbox = await create()
    const secrets: Record<string, string> = { one: generateSecret(), two: generateSecret() }
    const findSecrets = async (tenant: string) => secrets[tenant]
    const handled: unknown[] = []
    // As shown in the README.
    const tenants = scrapenestWebhooks({
      path: '/webhooks',
      inbox,
      secret: async (request) => {
        const tenant = new URL(request.url ?? '/', 'http://localhost').searchParams.get('tenant')
        return tenant === null ? undefined : { secret: await findSecrets(tenant), scope: tenant }
      },
      onEvent: { 'job.completed': ({ event_id }, { scope }) => void handled.push([event_id, scope]) },
    })
    onTestFinished(() => tenants.receiver.close())
    const server = express().use(tenants).listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo

    const event = createEvent('job.completed')
    const send = async (tenant: string, secret: string | undefined) => {
      const url = `http://127.0.0.1:${port}/webhooks?tenant=${tenant}`
      return await deliver(url, signDelivery(event, { secret: secret as string }))
    }
    expect((await send('one', secrets['one'])).reply).toEqual({ status: 'accepted' })
    expect((await send('two', secrets['two'])).reply).toEqual({ status: 'accepted' })
    expect((await send('two', secrets['one'])).reply).toEqual({ error: 'signature_mismatch' })
    await vi.waitFor(() => expect(handled).toHaveLength(2), 10_000)
    expect(handled.sort()).toEqual([
      [event.event_id, 'one'],
      [event.event_id, 'two'],
    ])
    expect((await send('one', secrets['one'])).reply).toEqual({ status: 'duplicate' })
    if (inbox === undefined) return
    expect((await inbox.list({ eventId: event.event_id })).events.map(({ scope }) => scope).sort()).toEqual([
      'one',
      'two',
    ])
    await untilInboxStats(inbox, { done: 2 })
    expect(await inbox.get(event.event_id, { scope: 'two' })).toMatchObject({ scope: 'two', state: 'done' })
  },
  60_000,
)

import type { InboxConnection, Receiver, ReceiverOptions, ScrapeNestEvents } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks as onExpress } from '@scrapenest-webhooks/express'
import { scrapenestWebhooks as onFastify } from '@scrapenest-webhooks/fastify'
import { scrapenestWebhooks as onKoa } from '@scrapenest-webhooks/koa'
import { scrapenestWebhooks as onNode } from '@scrapenest-webhooks/node'
import { generateSecret } from '@scrapenest-webhooks/testing'
import fastify from 'fastify'
import { describe, expect, it } from 'vitest'
import { path } from './hosts.ts'

const secret = generateSecret()
const onEvent = { 'job.created': () => {} } as const

/** An inbox that records when it is opened and closed. */
function recordingInbox(): { readonly calls: string[]; readonly inbox: InboxConnection } {
  const calls: string[] = []
  return {
    calls,
    inbox: {
      put: async () => 'stored',
      async start() {
        calls.push('start')
      },
      async close() {
        calls.push('close')
      },
    },
  }
}

async function nextTurns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

type Options = ReceiverOptions<ScrapeNestEvents> & { readonly path: string }

describe.each<[string, (options: Options) => { readonly receiver: Pick<Receiver, 'start' | 'close'> }]>([
  ['node', (options) => onNode(options)],
  ['express', (options) => onExpress(options)],
  ['koa', (options) => onKoa(options)],
])('%s', (_host, scrapenestWebhooks) => {
  it('starts in the next turn when the options have onEvent', async () => {
    const { calls, inbox } = recordingInbox()
    const { receiver } = scrapenestWebhooks({ path, secret, inbox, onEvent })
    expect(calls).toEqual([])
    await nextTurns()
    expect(calls).toEqual(['start'])
    await receiver.close()
    expect(calls).toEqual(['start', 'close'])
  })

  it('starts with receiver.start() when the options have no onEvent', async () => {
    const { calls, inbox } = recordingInbox()
    const { receiver } = scrapenestWebhooks({ path, secret, inbox })
    await nextTurns()
    expect(calls).toEqual([])
    await receiver.start()
    expect(calls).toEqual(['start'])
    await receiver.close()
  })

  it('does not start when it is closed in the turn it was created in', async () => {
    const { calls, inbox } = recordingInbox()
    const { receiver } = scrapenestWebhooks({ path, secret, inbox, onEvent })
    await receiver.close()
    await nextTurns()
    expect(calls).not.toContain('start')
  })

  it.each([undefined, '', [], ['']])('throws for an unset secret: %o', (unset) => {
    expect(() => scrapenestWebhooks({ path, secret: unset })).toThrow(
      expect.objectContaining({ code: 'configuration_invalid' }),
    )
  })
})

describe('fastify', () => {
  it('starts when the application is ready, and closes before the server does', async () => {
    const { calls, inbox } = recordingInbox()
    const app = fastify()
    await app.register(onFastify, { path, secret, inbox, onEvent })
    await nextTurns()
    expect(calls).toEqual([])
    await app.ready()
    expect(calls).toEqual(['start'])
    await app.close()
    expect(calls).toEqual(['start', 'close'])
  })

  it.each([undefined, '', [], ['']])('rejects an unset secret: %o', async (unset) => {
    const app = fastify()
    await expect((async () => await app.register(onFastify, { path, secret: unset }))()).rejects.toMatchObject({
      code: 'configuration_invalid',
    })
    await app.close()
  })
})

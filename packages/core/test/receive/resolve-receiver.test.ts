import { EventEmitter } from 'node:events'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { checkOptionalPath, resolveReceiver } from '../../src/adapter.ts'
import { createReceiver, type InboxConnection } from '../../src/index.ts'
import { deliver, recordingLogger, refusal, secret, settle } from '../deliveries.ts'

const ready = () => createReceiver({ secret, logger: recordingLogger() })

function inboxWith(start: InboxConnection['start'] = async () => {}) {
  return { put: async () => 'stored' as const, start: vi.fn(start), close: async () => {} }
}

describe('resolveReceiver', () => {
  it('creates a receiver from options, which the adapter owns', async () => {
    const { receiver, isOwned } = resolveReceiver({ secret, logger: recordingLogger() })
    expect(isOwned).toBe(true)
    expect((await receiver.receive(deliver(undefined, { sentAtMs: Date.now() }))).status).toBe(202)
  })

  it('returns a ready receiver, which the adapter does not own', () => {
    const receiver = ready()
    const resolved = resolveReceiver({ receiver })
    expect(resolved.receiver).toBe(receiver)
    expect(resolved.isOwned).toBe(false)
  })

  it.each<[string, unknown, string]>([
    ['options in addition to a ready receiver', { receiver: ready(), secret }, 'Unknown option "secret"'],
    [
      'an object that is not a receiver',
      { receiver: {} },
      'Expected receiver to be a Receiver, from createReceiver(…)',
    ],
    ['a receiver that is undefined', { receiver: undefined }, 'Expected receiver to be a Receiver'],
    ['malformed options', { secret, toleranceSeconds: 0 }, 'toleranceSeconds'],
    ['no options', undefined, 'Expected the options to be an object'],
    ['null', null, 'Expected the options to be an object'],
    ['text', 'whsec_', 'Expected the options to be an object'],
    ['an application of Koa or Fastify', new EventEmitter(), 'and mount what it returns'],
    ['an application of Express', Object.assign(() => {}, { path: () => '' }), 'and mount what it returns'],
    ['a request of Node', new IncomingMessage(new Socket()), 'and mount what it returns'],
    ['a context of Koa', Object.create({ headers: {} }), 'and mount what it returns'],
    ['a request of fetch', new Request('http://localhost/'), 'and mount what it returns'],
  ])('rejects %s', (_given, source, saying) => {
    expect(() => resolveReceiver(source as { secret: string })).toThrow(refusal('configuration_invalid', saying))
  })
})

it('accepts options from an instance of a class', () => {
  class Settings {
    readonly secret = secret
  }
  expect(resolveReceiver(new Settings()).isOwned).toBe(true)
})

describe('the options of the adapter itself', () => {
  const adapterOptions = { path: checkOptionalPath }

  it('are listed with those of the receiver when an option is unknown', () => {
    const source = { pth: '/hooks', secret } as never
    expect(() => resolveReceiver(source, { adapterOptions })).toThrow(
      refusal(
        'configuration_invalid',
        'path, processing, receiver, replyTimeoutMs, schemas, secret, toleranceSeconds. Did you mean path?',
      ),
    )
    expect(() => resolveReceiver({ receiver: ready(), pth: '/' } as never, { adapterOptions })).toThrow(
      refusal('configuration_invalid', 'The options are path, receiver. Did you mean path?'),
    )
  })

  it('are checked before a receiver is created', () => {
    const inbox = inboxWith()
    const source = { path: 'hooks', secret, inbox, onEvent: { '*': () => {} } } as never
    expect(() => resolveReceiver(source, { startedBy: 'next turn', adapterOptions })).toThrow(
      refusal('configuration_invalid', 'Expected path to be an absolute path'),
    )
  })

  it('do not reach the receiver', () => {
    const source = { path: '/hooks', secret, logger: recordingLogger() }
    expect(resolveReceiver(source, { adapterOptions }).isOwned).toBe(true)
  })
})

describe('a receiver that starts in the next turn', () => {
  const onEvent = { 'job.created': () => {} }

  it('starts after the code that sets the server up', async () => {
    const inbox = inboxWith()
    resolveReceiver({ secret, inbox, onEvent }, { startedBy: 'next turn' })
    await Promise.resolve()
    expect(inbox.start).not.toHaveBeenCalled()
    await settle()
    expect(inbox.start).toHaveBeenCalledTimes(1)
  })

  it.each<[string, Parameters<typeof resolveReceiver>[1]]>([
    ['without onEvent among its options', { startedBy: 'next turn' }],
    ['that its adapter starts', { startedBy: 'adapter' }],
    ['by default', undefined],
  ])('is not one %s', async (_given, options) => {
    const inbox = inboxWith()
    resolveReceiver({ secret, inbox, ...(options?.startedBy === 'next turn' ? {} : { onEvent }) }, options)
    await settle()
    expect(inbox.start).not.toHaveBeenCalled()
  })

  it('is not a ready receiver', async () => {
    const inbox = inboxWith()
    resolveReceiver({ receiver: createReceiver({ secret, inbox, onEvent }) }, { startedBy: 'next turn' })
    await settle()
    expect(inbox.start).not.toHaveBeenCalled()
  })

  it('does not open an inbox when it was closed in the turn in which it was created', async () => {
    const inbox = inboxWith()
    const { receiver } = resolveReceiver({ secret, inbox, onEvent }, { startedBy: 'next turn' })
    await receiver.close()
    await settle()
    expect(inbox.start).not.toHaveBeenCalled()
  })

  it('does not end the process when the inbox cannot be opened, and calls onError', async () => {
    const onError = vi.fn()
    const inbox = inboxWith(() => Promise.reject(new Error('locked')))
    resolveReceiver({ secret, logger: recordingLogger(), onError, inbox, onEvent }, { startedBy: 'next turn' })
    await settle()
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'store_unavailable', cause: new Error('locked') }),
      expect.anything(),
    )
  })
})

describe('an unset secret', () => {
  const unset = [undefined, '', [], ['']]

  it.each(unset)('is reported immediately: %o', (value) => {
    expect(() => resolveReceiver({ secret: value })).toThrow(refusal('configuration_invalid', 'No signing secret.'))
  })

  it.each(unset)('is reported by start and the first request if reported late: %o', async (value) => {
    const onError = vi.fn()
    const { receiver } = resolveReceiver(
      { secret: value, logger: recordingLogger(), onError },
      { reportUnsetSecret: 'late' },
    )
    expect(onError).not.toHaveBeenCalled()
    await expect(receiver.start()).rejects.toEqual(refusal('configuration_invalid', 'No signing secret.'))
    const request = deliver(undefined, { sentAtMs: Date.now() })
    expect(await receiver.receive(request)).toMatchObject({ status: 500, body: '{"error":"configuration_invalid"}' })
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      refusal('configuration_invalid', 'No signing secret.'),
      expect.objectContaining({ code: 'configuration_invalid' }),
    )
    expect(request.body).not.toHaveBeenCalled()
  })

  it.each(['whsec_', '"quoted"', [secret, ''], [undefined, secret]])(
    'is not a malformed one, reported at once: %o',
    (value) => {
      expect(() => resolveReceiver({ secret: value }, { reportUnsetSecret: 'late' })).toThrow(
        refusal('configuration_invalid'),
      )
    },
  )
})

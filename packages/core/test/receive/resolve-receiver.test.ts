import { describe, expect, it, vi } from 'vitest'
import { adaptedReceiver, checkPath, selfStartingReceiver } from '../../src/adapter.ts'
import { createReceiver, type InboxConnection } from '../../src/index.ts'
import { recordingLogger, secret } from '../deliveries.ts'

const ready = () => createReceiver({ secret, logger: recordingLogger() })
function inboxThat(start: InboxConnection['start']): InboxConnection {
  return { put: async () => 'stored', start, close: async () => {} }
}

describe('adaptedReceiver', () => {
  it('makes a receiver of options, which the adapter owns', () => {
    expect(adaptedReceiver({ secret })).toEqual({ receiver: expect.objectContaining({}), isOwned: true })
  })

  it('takes a ready receiver, which the adapter does not own', () => {
    const receiver = ready()
    expect(adaptedReceiver({ receiver })).toEqual({ receiver, isOwned: false })
    expect(adaptedReceiver({ receiver }).receiver).toBe(receiver)
  })

  it.each<[string, unknown, string]>([
    ['options beside a ready receiver', { receiver: ready(), secret }, 'Unknown option "secret"'],
    ['a receiver that is none', { receiver: {} }, 'what createReceiver gives'],
    ['a receiver that is undefined', { receiver: undefined }, 'what createReceiver gives'],
    ['malformed options', { secret, toleranceSeconds: 0 }, 'toleranceSeconds'],
    ['no options', undefined, 'Expected the options to be an object'],
    ['null', null, 'Expected the options to be an object'],
  ])('refuses %s', (_given, source, saying) => {
    expect(() => adaptedReceiver(source as { secret: string })).toThrow(
      expect.objectContaining({ code: 'configuration_invalid', message: expect.stringContaining(saying) }),
    )
  })
})

describe('selfStartingReceiver', () => {
  it('starts its own receiver after the code that sets the server up', async () => {
    const start = vi.fn(async () => {})
    selfStartingReceiver({ secret, inbox: inboxThat(start) })
    expect(start).not.toHaveBeenCalled()
    await vi.waitFor(() => expect(start).toHaveBeenCalledTimes(1))
  })

  it('does not start a receiver that was made elsewhere', async () => {
    const start = vi.fn(async () => {})
    selfStartingReceiver({ receiver: createReceiver({ secret, inbox: inboxThat(start) }) })
    await new Promise(setImmediate)
    expect(start).not.toHaveBeenCalled()
  })

  it('does not end the process when the inbox cannot be opened, and tells onError', async () => {
    const onError = vi.fn()
    selfStartingReceiver({
      secret,
      logger: recordingLogger(),
      onError,
      inbox: inboxThat(() => Promise.reject(new Error('locked'))),
    })
    await vi.waitFor(() =>
      expect(onError).toHaveBeenCalledExactlyOnceWith(
        expect.objectContaining({ code: 'store_unavailable' }),
        expect.anything(),
      ),
    )
  })
})

describe('checkPath', () => {
  it.each(['/', '/webhooks/scrapenest', '/a/'])('takes %s', (path) => {
    expect(checkPath(path)).toBe(path)
  })

  it.each(['', 'webhooks', '/a?b', '/a#b', '/a b', '/a\n', undefined, null, 7, /a/])('refuses %o', (path) => {
    expect(() => checkPath(path)).toThrow(
      expect.objectContaining({ code: 'configuration_invalid', message: expect.stringContaining('absolute path') }),
    )
  })
})

import { createInboxEvent } from '@scrapenest-webhooks/testing'
import { Queue } from 'bullmq'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type BullmqInboxOptions, bullmqInbox } from '../src/index.ts'

const connection = 'redis://127.0.0.1:1'

describe('bullmqInbox', () => {
  it('connects when first needed, not before', async () => {
    const inbox = bullmqInbox({ connection })
    await inbox.close()
    expect(inbox.capabilities).toMatchObject({ isDurable: true, isShared: true, attempts: 'last' })
  })

  it.each([
    { options: {}, message: /Expected either connection or queue/ },
    { options: undefined, message: /Expected either connection or queue/ },
    {
      options: { connection: undefined },
      message: /If it comes from an environment variable, check that the variable is set/,
    },
    { options: { connection, now: Date.now }, message: /Unknown option "now"/ },
    { options: { connection, pollIntervalMs: 5 }, message: /Unknown option "pollIntervalMs"/ },
    { options: { connection, conection: 1 }, message: /Unknown option "conection"/ },
    { options: { connection, queuePrefix: 'a:b' }, message: /Expected queuePrefix/ },
    { options: { connection, rememberMs: 10 }, message: /Expected rememberMs/ },
    { options: { connection, maxAttempts: 0 }, message: /Expected maxAttempts/ },
    { options: { queue: { name: 'mine' }, prefix: 'x' }, message: /cannot be combined with queue/ },
    { options: { queue: { name: 'mine' } }, message: /Expected queue to be a Queue of BullMQ 6 or later/ },
  ])('refuses $options', ({ options, message }) => {
    expect(() => bullmqInbox(options as unknown as BullmqInboxOptions)).toThrow(message)
    expect(() => bullmqInbox(options as unknown as BullmqInboxOptions)).toThrow(
      expect.objectContaining({ code: 'configuration_invalid' }),
    )
  })

  it('refuses a BullMQ that is too old', () => {
    const base = Object.getPrototypeOf(Object.getPrototypeOf(Queue.prototype)) as Partial<Queue>
    const { getBackend } = base
    onTestFinished(() => void Object.assign(base, { getBackend }))
    delete base.getBackend
    expect(() => bullmqInbox({ connection })).toThrow(/The installed bullmq is older than 6\.0/)
  })

  it('rejects soon if there is no Redis', async () => {
    await using inbox = bullmqInbox({ connection })
    const startedAtMs = performance.now()
    await expect(inbox.put(createInboxEvent())).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(performance.now() - startedAtMs).toBeLessThan(3000)
  })
})

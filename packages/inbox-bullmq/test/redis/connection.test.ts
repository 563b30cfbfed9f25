import { inspect } from 'node:util'
import { Queue } from 'bullmq'
import { Cluster, Redis } from 'ioredis'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type BullmqInboxOptions, bullmqInbox } from '../../src/index.ts'

function create(options: BullmqInboxOptions): unknown {
  try {
    return bullmqInbox(options)
  } catch (error) {
    return error
  }
}

const lazy = { lazyConnect: true }

function ownQueue(connection: Redis): Queue {
  const queue = new Queue('mine', { connection, skipVersionCheck: true })
  queue.on('error', () => {})
  onTestFinished(() => {
    connection.disconnect()
  })
  return queue
}

describe('a connection that could store events and never handle them', () => {
  it.each<[string, () => BullmqInboxOptions, RegExp]>([
    ['a client with its default options', () => ({ connection: new Redis(lazy) }), /maxRetriesPerRequest: null/],
    ['options with a keyPrefix', () => ({ connection: { keyPrefix: 'shop:' } }), /keyPrefix/],
    ['a URL with a keyPrefix', () => ({ connection: 'redis://localhost?keyPrefix=shop:' }), /keyPrefix/],
    [
      'a client with a keyPrefix',
      () => ({ connection: new Redis({ ...lazy, maxRetriesPerRequest: null, keyPrefix: 'shop:' }) }),
      /keyPrefix/,
    ],
    [
      'a cluster without a hash tag in the prefix',
      () => ({ connection: new Cluster([{ port: 1 }], { ...lazy, redisOptions: { maxRetriesPerRequest: null } }) }),
      /prefix: '\{bull\}'/,
    ],
    ['a URL whose database is a name', () => ({ connection: 'redis://localhost/orders' }), /database .* a number/],
    ['a URL with the parameter db', () => ({ connection: 'redis://localhost?db=orders' }), /database .* a number/],
    ['options whose db is not a number', () => ({ connection: { db: Number.NaN } }), /database .* a number/],
    ['no options at all', () => ({ connection: 6379 as unknown as string }), /ioredis options, or a client/],
  ])('is refused when the inbox is created: %s', (_what, options, message) => {
    expect(create(options())).toMatchObject({ code: 'configuration_invalid', message: expect.stringMatching(message) })
  })

  it('is refused when it belongs to a queue', () => {
    expect(create({ queue: ownQueue(new Redis({ port: 1, retryStrategy: () => null })) })).toMatchObject({
      code: 'configuration_invalid',
      message: expect.stringMatching(/maxRetriesPerRequest: null/),
    })
  })

  it.each([
    'redis://:SECRET#PW@localhost',
    'redis://:SECRET/PW@localhost',
    'redis://:SECRET?PW@localhost',
    'redis://user:12/SECRETPW@localhost',
    'redis://:SECRET%PW@localhost',
    'http://:SECRETPW@localhost',
    'redis://SECRET PW',
    '',
  ])('is refused as a malformed URL, which is not quoted: %s', (connection) => {
    for (const options of [{ connection }, { connection: { url: connection } as never }]) {
      const error = create(options)
      expect(error).toMatchObject({ code: 'configuration_invalid' })
      expect(inspect(error)).not.toContain('SECRET')
    }
  })
})

describe('a connection that works', () => {
  it.each<[string, () => BullmqInboxOptions]>([
    ['a URL', () => ({ connection: 'rediss://user:p%40ss@redis.example:6380/2' })],
    ['host and port', () => ({ connection: 'localhost:6379' })],
    ['the path of a socket', () => ({ connection: '/run/redis.sock' })],
    ['options', () => ({ connection: { host: 'localhost', maxRetriesPerRequest: 3 } })],
    ['a client that waits', () => ({ connection: new Redis({ ...lazy, maxRetriesPerRequest: null }) })],
    [
      'a cluster with a hash tag in the prefix',
      () => ({
        connection: new Cluster([{ port: 1 }], { ...lazy, redisOptions: { maxRetriesPerRequest: null } }),
        prefix: '{webhooks}',
      }),
    ],
  ])('is accepted: %s', (_what, options) => {
    expect(create(options())).toHaveProperty('capabilities')
  })

  it('is not shown when the inbox is inspected', () => {
    const inbox = create({ connection: 'redis://:SECRETPW@localhost' })
    expect(inspect(inbox, { depth: 9, showHidden: true }) + JSON.stringify(inbox)).not.toContain('SECRETPW')
  })
})

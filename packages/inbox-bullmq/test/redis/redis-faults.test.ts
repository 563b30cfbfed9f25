import { inspect } from 'node:util'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { unavailable } from '../../src/redis/redis-faults.ts'

function reply(message: string, fields: object = {}): Error {
  return Object.assign(new Error(message), { name: 'ReplyError', ...fields })
}

describe('what Redis answers', () => {
  it.each([
    'NOAUTH Authentication required.',
    'Ready check failed: NOAUTH Authentication required.',
    'WRONGPASS invalid username-password pair or user is disabled.',
    "NOPERM User default has no permissions to run the 'evalsha' command",
    "CROSSSLOT Keys in request don't hash to the same slot",
    'MOVED 3999 127.0.0.1:6381',
    'Redis version needs to be greater or equal than 5.0.0 Current: 4.0.9',
    "ERR unknown command 'BZPOPMIN', with args beginning with: 'a' ",
    'self-signed certificate; if the root CA is installed locally, try running Node.js with --use-system-ca',
    "Hostname/IP does not match certificate's altnames: Host: redis. is not in the cert's altnames: DNS:localhost",
  ])('is a fault of the configuration: %s', (message) => {
    const error = unavailable(reply(message))
    expect(error).toMatchObject({ code: 'store_unavailable', fault: 'cannot_open' })
    expect(error.cause).toMatchObject({ name: 'ConfigurationError', code: 'configuration_invalid' })
    expect(`${error.message} ${(error.cause as Error).message}`).not.toMatch(/keeps trying|be reached/)
  })

  it.each([
    ["OOM command not allowed when used memory > 'maxmemory'.", 'full'],
    ["READONLY You can't write against a read only replica.", 'read_only'],
    ['MISCONF Redis is configured to save RDB snapshots', 'read_only'],
    ['NOREPLICAS Not enough good replicas to write.', 'read_only'],
    ['ERR Error running script: @user_script: 12: -READONLY You cannot write', 'read_only'],
    ['LOADING Redis is loading the dataset in memory', 'io_error'],
  ])('passes: %s', (message, fault) => {
    expect(unavailable(reply(message))).toMatchObject({ code: 'store_unavailable', fault })
  })

  it('is recognized in an error from another realm, as under Jest', () => {
    const refused: unknown = runInNewContext(
      "Object.assign(new Error('OOM command not allowed'), { name: 'ReplyError' })",
    )
    expect(unavailable(refused)).toMatchObject({ fault: 'full', cause: { name: 'ReplyError' } })
  })

  it('is told apart from no answer', () => {
    const busy = unavailable(reply('BUSY Redis is busy running a script.'))
    expect(busy.message).toMatch(
      /^Redis refused a command: BUSY Redis is busy running a script\. The inbox keeps trying\./,
    )
    expect(unavailable(undefined).message).toMatch(/^Redis cannot be reached: it did not answer in time\./)
  })
})

describe('the errors of a Redis client', () => {
  it.each([
    reply('WRONGPASS invalid username-password pair', { command: { name: 'auth', args: ['SECRETPW'] } }),
    reply("ERR unknown command 'AUTH', with args beginning with: 'SECRETPW' "),
    new Error('connect ENOENT redis://:SECRETPW@127.0.0.1:6379'),
    Object.assign(new Error('getaddrinfo ENOTFOUND rediss://user:SECRETPW@host'), {
      hostname: 'rediss://user:SECRETPW',
    }),
    new Error('getaddrinfo ENOTFOUND user:SECRETPW@host'),
  ])('lose the credentials: $message', (thrown) => {
    const error = unavailable(thrown)
    const texts = [inspect(error, { depth: 9, showHidden: true }), JSON.stringify(error), String(error.stack)]
    for (let at: unknown = error; at instanceof Error; at = at.cause) texts.push(inspect(at), JSON.stringify(at))
    expect(texts.join()).not.toContain('SECRETPW')
  })

  it('lose the hash of a script', () => {
    const text = "OOM command not allowed when used memory > 'maxmemory'"
    const { cause } = unavailable(reply(`${text}. script: 69666e69dd, on @user_script:3.`))
    expect(cause).toMatchObject({ name: 'ReplyError', message: `${text}.` })
  })

  it('keep their name and code', () => {
    const thrown = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:6379'), { code: 'ECONNREFUSED' })
    expect(unavailable(thrown).cause).toMatchObject({ name: 'Error', code: 'ECONNREFUSED', message: thrown.message })
  })
})

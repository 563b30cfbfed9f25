import { inspect } from 'node:util'
import { ConfigurationError } from '@scrapenest-webhooks/core'
import { describe, expect, it } from 'vitest'
import { lossIn, toInboxError } from '../src/postgres-faults.ts'

const connectionString = 'postgres://user:p5ecret@localhost/db'

function fault(code: string | undefined, message: string): Error {
  return Object.assign(new Error(message), code === undefined ? {} : { code })
}

describe('a failure of PostgreSQL', () => {
  it.each([
    ['42501', 'permission denied for table job', /Grant the role/],
    ['28P01', 'password authentication failed for user "a"', /user name and the password/],
    ['3D000', 'database "a" does not exist', /Create the database/],
    ['3F000', 'schema "a" does not exist', /CREATE SCHEMA/],
    ['42703', 'column "a" does not exist', /Migrate them/],
    [undefined, 'pg-boss database requires migrations', /Create or migrate pg-boss's tables/],
    [undefined, 'SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string', /Set the password/],
  ])('with %s is a refusal that promises no retry: %s', (code, message, fix) => {
    const error = toInboxError(fault(code, message))
    expect(error).toMatchObject({ code: 'store_unavailable', fault: 'cannot_open' })
    expect(error.message).toContain(message)
    expect(error.message).toMatch(fix)
    expect(error.message).not.toMatch(/keeps trying/)
    expect(error.cause).toBeInstanceOf(ConfigurationError)
  })

  it.each([
    ['ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:1', 'io_error'],
    ['57P03', 'the database system is starting up', 'io_error'],
    ['53300', 'sorry, too many clients already', 'io_error'],
    ['53100', 'could not extend file', 'full'],
    ['25006', 'cannot execute INSERT in a read-only transaction', 'read_only'],
    ['40001', 'could not serialize access', 'io_error'],
    [undefined, 'Query read timeout', 'io_error'],
  ])('with %s passes: %s', (code, message, expected) => {
    const error = toInboxError(fault(code, message))
    expect(error).toMatchObject({ code: 'store_unavailable', fault: expected })
    expect(error.message).toMatch(/keeps trying/)
    expect(error.cause).not.toBeInstanceOf(ConfigurationError)
    expect(error.cause).toMatchObject({ message })
  })

  it('keeps the name, the code and the message of its cause, without credentials', () => {
    const thrown = Object.assign(new TypeError(`Invalid URL ${connectionString}; password=p5ecret`), {
      code: 'ERR_INVALID_URL',
      input: connectionString,
      detail: 'Key (secret)=(p5ecret)',
      cause: new Error(connectionString),
    })
    for (const secrets of [[], [connectionString, 'p5ecret']]) {
      const error = toInboxError(thrown, secrets)
      expect(error.cause).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_URL' })
      const shown = `${inspect(error, { depth: 10, showHidden: true })} ${JSON.stringify(error)} ${JSON.stringify(error.cause)}`
      expect(shown).toContain('Invalid URL')
      expect(shown).not.toContain('p5ecret')
    }
  })

  it.each([undefined, null, 'text', 42, {}, Object.create(null)])(
    'is store_unavailable whatever was thrown: %s',
    (thrown) => {
      expect(toInboxError(thrown)).toMatchObject({ code: 'store_unavailable' })
      expect(lossIn(thrown)).toBeUndefined()
    },
  )
})

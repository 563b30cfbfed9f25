import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { checkConnectionString, secretsIn } from '../src/connection-string.ts'

describe('a connection string', () => {
  it.each([
    'postgres://localhost/db',
    'postgresql://user@localhost:5432/db?application_name=a@b',
    'postgres://user:p%40ss%2F%23@[::1]:5432/db',
    'postgres://user:p@ss@localhost/db',
    'postgres://user:p,ss@localhost/db?options=-c%20a=b,c',
    'postgres://user:pass@/db?host=/var/run/postgresql',
    '/var/run/postgresql db',
    'socket:/var/run/postgresql?db=app',
  ])('is accepted: %s', (connectionString) => {
    expect(() => checkConnectionString(connectionString)).not.toThrow()
  })

  it.each([
    'postgres://user:to/p5ecret@localhost/db',
    'postgres://user:12/p5ecret@localhost/db',
    'postgres://user:12?p5ecret@localhost/db',
    'postgres://user:12#p5ecret@localhost/db',
    'postgres://user:p5ecret@local host/db',
    'postgres://user:%zzp5ecret@localhost/db',
    'host=localhost password=p5ecret',
    { password: 'p5ecret' },
  ])('is refused without being quoted: %s', (connectionString) => {
    let thrown: unknown
    try {
      checkConnectionString(connectionString)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject({ code: 'configuration_invalid' })
    expect(inspect(thrown, { depth: 10, showHidden: true })).not.toContain('p5ecret')
  })

  it.each(['postgres://user:p5ecret@one:5432,two:5432/db', 'postgres://one,two/db'])('has one host: %s', (several) => {
    expect(() => checkConnectionString(several)).toThrow(/names several hosts/)
  })

  it('lists as secrets its password in each encoding, and the passwords in its parameters', () => {
    const connectionString = 'postgres://user:p%40ss@localhost/db?sslpassword=other'
    expect(secretsIn(connectionString)).toEqual([connectionString, 'p%40ss', 'other', 'p@ss'])
  })
})

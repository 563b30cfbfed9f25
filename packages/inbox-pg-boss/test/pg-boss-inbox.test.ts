import { inspect } from 'node:util'
import { createInboxEvent } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { type PgBossInboxOptions, pgBossInbox } from '../src/index.ts'

const connectionString = 'postgres://user@127.0.0.1:1/nothing'

describe('pgBossInbox', () => {
  it('connects when first needed, not before', async () => {
    const inbox = pgBossInbox({ connectionString })
    await inbox.close()
    expect(inbox.capabilities).toMatchObject({ isDurable: true, isShared: true, attempts: 'last' })
  })

  it.each([
    { options: {}, message: /Expected either connectionString or boss/ },
    { options: undefined, message: /Expected either connectionString or boss/ },
    { options: { connectionString: '' }, message: /Expected either connectionString or boss/ },
    {
      options: { connectionString: undefined },
      message: /If it comes from an environment variable, check that the variable is set/,
    },
    { options: { connectionString, conection: 1 }, message: /Unknown option "conection"/ },
    { options: { connectionString, schema: 'a; DROP' }, message: /Expected schema to be 1 to 50 letters/ },
    {
      options: { connectionString, schema: 'pg_hooks' },
      message: /Expected schema to be .* not beginning with .* "pg_"/,
    },
    { options: { connectionString, schema: 's'.repeat(51) }, message: /Expected schema to be 1 to 50 letters/ },
    { options: { connectionString, createSchema: 1 }, message: /Expected createSchema to be true or false/ },
    { options: { connectionString: 'localhost' }, message: /Expected connectionString to be a URL/ },
    { options: { boss: {} }, message: /Expected pg-boss 12\.35\.0 or a later 12\.x/ },
    { options: { connectionString, queuePrefix: 'a/b' }, message: /Expected queuePrefix/ },
    { options: { connectionString, maxAttempts: 0 }, message: /Expected maxAttempts/ },
  ])('refuses $options', ({ options, message }) => {
    expect(() => pgBossInbox(options as unknown as PgBossInboxOptions)).toThrow(message)
    expect(() => pgBossInbox(options as unknown as PgBossInboxOptions)).toThrow(
      expect.objectContaining({ code: 'configuration_invalid' }),
    )
  })

  it('does not show its password when inspected', async () => {
    await using inbox = pgBossInbox({ connectionString: 'postgres://user:p5ecret@127.0.0.1:1/nothing' })
    const error: unknown = await inbox.put(createInboxEvent()).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'store_unavailable' })
    for (const shown of [inbox, error]) {
      expect(`${inspect(shown, { depth: 20, showHidden: true })} ${JSON.stringify(shown)}`).not.toContain('p5ecret')
    }
  })

  it('rejects soon if there is no PostgreSQL', async () => {
    await using inbox = pgBossInbox({ connectionString })
    const startedAtMs = performance.now()
    await expect(inbox.put(createInboxEvent())).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(performance.now() - startedAtMs).toBeLessThan(3000)
  })
})

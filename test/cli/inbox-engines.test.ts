import type { InboxPage } from '@scrapenest-webhooks/inbox'
import { createEvent, deliver, signDelivery } from '@scrapenest-webhooks/testing'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type EnginePlace, newPlaceName, openPlace, openServer } from '../engines/engine-inboxes.ts'
import { hasEngine } from '../engines/installed-engines.ts'
import { secret, startReceiver } from './local-server.ts'
import { type CliResult, runCli } from './run-cli.ts'

const engines = [
  { engine: 'bullmq', server: 'redis', flag: '--redis', place: '--redis-prefix', variable: 'REDIS_URL' },
  { engine: 'pg-boss', server: 'postgres', flag: '--postgres', place: '--schema', variable: 'DATABASE_URL' },
] as const

for (const { engine, server, flag, place: placeOption, variable } of engines) {
  describe.skipIf(!hasEngine(server))(`inbox ${flag}`, { timeout: 60_000 }, () => {
    let opened: Awaited<ReturnType<typeof openServer>>
    beforeAll(async () => {
      opened = await openServer(engine)
    })
    afterAll(() => opened.dispose())

    let name: string
    let place: EnginePlace
    beforeEach(() => {
      name = newPlaceName()
      place = openPlace(engine, { url: opened.url, name })
    })
    afterEach(() => place.dispose())

    /** Passes the URL in the environment, where it belongs. */
    function inbox(...parameters: string[]): Promise<CliResult> {
      return runCli(['inbox', ...parameters, flag, placeOption, name], { env: { [variable]: opened.url } })
    }

    const dead = createEvent('artifact.ready', {
      data: { download_url: 'https://artifacts.example/1.html?signature=credential' },
    })

    /** A done event of the scope `acme`, and a dead one without a scope. */
    async function fill(): Promise<string> {
      const done = createEvent('job.created')
      const filled = place.createInbox({ maxAttempts: 1 })
      const { url } = await startReceiver({
        inbox: filled,
        secret: (request) => ({ secret, scope: request.url?.includes('acme') ? 'acme' : '' }),
        onEvent: {
          'artifact.ready': () => {
            throw new Error('no')
          },
        },
      })
      expect(await deliver(`${url}?acme`, signDelivery(done, { secret }))).toMatchObject({ status: 202 })
      expect(await deliver(url, signDelivery(dead, { secret }))).toMatchObject({ status: 202 })
      await expect
        .poll(
          async () => {
            const { done, dead } = await filled.stats()
            return [done, dead]
          },
          { timeout: 20_000, interval: 50 },
        )
        .toEqual([1, 1])
      await filled.close()
      return done.event_id
    }

    it('counts, lists, shows, replays and purges', { timeout: 60_000 }, async () => {
      const doneId = await fill()
      expect((await inbox('stats', '--json')).json()).toMatchObject([{ done: 1, dead: 1, unhandled: 1 }])
      const list = async (...options: string[]) =>
        ((await inbox('list', '--json', ...options)).json() as unknown as InboxPage[])[0]?.events.map(
          ({ eventId }) => eventId,
        )
      expect(await list('--state', 'dead')).toEqual([dead.event_id])
      expect(await list('--scope', 'acme')).toEqual([doneId])
      expect(await list('--name', 'other')).toEqual([])

      const shown = await inbox('show', dead.event_id)
      expect(shown.stdout).toContain('https://artifacts.example/… (--reveal shows it)')
      expect(shown.stdout).not.toContain('credential')
      expect(await inbox('show', doneId)).toMatchObject({ exitCode: 1 })
      expect(await inbox('show', doneId, '--scope', 'acme')).toMatchObject({ exitCode: 0 })

      expect((await inbox('replay', '--state', 'dead')).stdout).toContain('1 would be replayed.')
      expect((await inbox('replay', '--state', 'dead', '--yes')).stdout).toBe('✓ Ready again: 1.\n')
      expect((await inbox('purge', '--state', 'done', '--scope', 'other', '--yes')).stdout).toBe('✓ Deleted: 0.\n')
      expect((await inbox('purge', '--state', 'done', '--scope', 'acme', '--yes')).stdout).toBe('✓ Deleted: 1.\n')
      expect((await inbox('stats', '--json')).json()).toMatchObject([{ ready: 1, done: 0, dead: 0 }])
    })

    it('accepts a URL, and finds other events under another queuePrefix', async () => {
      await fill()
      const stats = ['inbox', 'stats', '--json', `${flag}=${opened.url}`, placeOption, name]
      expect((await runCli(stats)).json()).toMatchObject([{ done: 1, dead: 1 }])
      expect((await runCli([...stats, '--queue-prefix', 'other'])).json()).toMatchObject([{ done: 0, dead: 0 }])
    })

    it.runIf(engine === 'pg-boss')(
      'never creates a schema, so that a misspelled name does not look like an empty inbox',
      async () => {
        const missing = newPlaceName()
        const options = { env: { [variable]: opened.url } }
        const { exitCode, stdout } = await runCli(['inbox', 'list', flag, placeOption, missing], options)
        expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: '' })
        const client = new pg.Client({ connectionString: opened.url })
        await client.connect()
        const { rows } = await client.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [missing])
        await client.end()
        expect(rows).toEqual([])
      },
    )
  })

  describe(`inbox ${flag}, without a server`, () => {
    const secretUrl = `${server}://operator:TOPSECRET%21@127.0.0.1:9/0?password=TOPSECRET`

    it('exits with 3 and never prints the credentials of its URL', { timeout: 60_000 }, async () => {
      for (const parameters of [[`${flag}=${secretUrl}`], [flag]]) {
        const env = { [variable]: secretUrl }
        const { exitCode, stdout, stderr } = await runCli(['inbox', 'stats', ...parameters], { env })
        expect(stdout).toBe('')
        expect(stderr).toMatch(/^error: /)
        expect(stderr).not.toMatch(/TOPSECRET|operator/)
        expect(exitCode).toBe(3)
      }
    })

    it.each([
      ['mysql://operator:TOPSECRET@db/x', `Expected ${flag} to be a URL that starts with ${server}://`],
      ['TOPSECRET', 'Put other arguments before it.'],
    ])('rejects the URL %s without printing it', async (url, message) => {
      const { exitCode, stdout, stderr } = await runCli(['inbox', 'stats', flag, url])
      expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
      expect(stderr).toContain(message)
      expect(stderr).not.toContain('TOPSECRET')
    })

    it('names the variable to set', async () => {
      const { exitCode, stderr } = await runCli(['inbox', 'stats', flag], { env: { [variable]: '' } })
      expect({ exitCode, stderr }).toEqual({
        exitCode: 2,
        stderr: expect.stringContaining(`Set ${variable}, or pass a URL`),
      })
    })

    it('says what to install when a package is missing', async () => {
      const hook = `import { registerHooks } from 'node:module'
        registerHooks({ resolve(specifier, context, next) {
          if (specifier !== '@scrapenest-webhooks/inbox-${engine}') return next(specifier, context)
          throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
        } })`
      const options = `${process.env['NODE_OPTIONS']} --import=data:text/javascript,${encodeURIComponent(hook)}`
      const env = { NODE_OPTIONS: options, [variable]: `${server}://127.0.0.1:9/` }
      expect(await runCli(['inbox', 'stats', flag], { env })).toMatchObject({
        exitCode: 3,
        stderr: `error: This inbox requires packages that are not installed. Run npm install @scrapenest-webhooks/inbox-${engine} ${engine}\n`,
      })
    })
  })
}

it.each([
  [['--redis', '--postgres'], /'--redis \[url\]' cannot be used with option '--postgres \[url\]'/],
  [['--file', 'a.db', '--postgres'], /'--postgres \[url\]' cannot be used with option '-f, --file <path>'/],
  [['--queue-prefix', 'a'], /--queue-prefix requires --redis or --postgres/],
  [['--schema', 'a', '--redis'], /--schema requires --postgres/],
  [['--redis-prefix', 'a', '--postgres'], /--redis-prefix requires --redis/],
])('inbox stats %j is rejected', async (parameters, message) => {
  const env = { REDIS_URL: 'redis://127.0.0.1:9/', DATABASE_URL: 'postgres://127.0.0.1:9/' }
  const result = await runCli(['inbox', 'stats', ...parameters], { env })
  expect(result).toMatchObject({ exitCode: 2, stdout: '', stderr: expect.stringMatching(message) })
})

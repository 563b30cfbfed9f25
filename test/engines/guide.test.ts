import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createReceiver } from '@scrapenest-webhooks/core'
import { pgBossInbox } from '@scrapenest-webhooks/inbox-pg-boss'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { codeBlocksOf } from '../docs/code-blocks.ts'
import { startServer } from '../examples/running-server.ts'
import { hasProgram } from './installed-engines.ts'
import { startPostgres, startRedis } from './servers.ts'

const secret = generateSecret()

describe('the programs of the guide to many machines', () => {
  let folder: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'scrapenest-guide-'))
    await symlink(join(import.meta.dirname, '../node_modules'), join(folder, 'node_modules'))
    const blocks = await codeBlocksOf('docs/guides/many-machines.md')
    for (const [name, mark] of Object.entries({
      web: 'processing: false',
      worker: 'concurrency: 20',
      rows: 'completeIn',
    })) {
      const [block, ...others] = blocks.filter(({ language, code }) => language === 'ts' && code.includes(mark))
      if (block === undefined || others.length > 0) throw new Error(`Expected one program with ${mark}.`)
      const readersOwn = 'globalThis.save = async (url) => console.log("saved " + url)'
      await writeFile(join(folder, `${name}.ts`), `${readersOwn}\n${block.code}`)
    }
  })

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  /** Runs a worker until the test ends. @returns its output so far. */
  function work(name: string, environment: Record<string, string>): () => string {
    const child: ChildProcess = spawn(process.execPath, [join(folder, `${name}.ts`)], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let printed = ''
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text) => {
        printed += text
      })
    onTestFinished(async () => {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      expect([printed, await exited]).toEqual([printed, [0, null]])
    })
    return () => printed
  }

  it.skipIf(!hasProgram('redis'))(
    'store in one process and handle in another, on Redis',
    async () => {
      const redis = await startRedis()
      onTestFinished(() => redis.dispose())
      const environment = { REDIS_URL: redis.url, SCRAPENEST_WEBHOOK_SECRET: secret }
      const web = await startServer((port) => ({
        program: process.execPath,
        arguments: [join(folder, 'web.ts')],
        workingDirectory: folder,
        environment: { ...process.env, ...environment, PORT: String(port) },
      }))
      onTestFinished(() => web.stop())
      const printed = work('worker', environment)
      const event = createEvent('artifact.ready')
      const { reply } = await deliver(`${web.url}/webhooks/scrapenest`, signDelivery(event, { secret }))

      expect(reply).toEqual({ status: 'accepted' })
      await vi.waitFor(() => expect(printed()).toContain(`saved ${event.data.download_url}`), 15_000)
    },
    60_000,
  )

  it.skipIf(!hasProgram('postgres'))(
    'write a row and complete their event together, on PostgreSQL',
    async () => {
      const postgres = await startPostgres()
      onTestFinished(() => postgres.dispose())
      const client = new pg.Client({ connectionString: postgres.url })
      await client.connect()
      onTestFinished(() => client.end())
      await client.query('CREATE TABLE jobs (job_id text PRIMARY KEY, status text)')
      const inbox = pgBossInbox({ connectionString: postgres.url })
      const receiver = createReceiver({ secret, inbox, processing: false })
      await receiver.start()
      onTestFinished(() => receiver.close())
      work('rows', { DATABASE_URL: postgres.url })
      const event = createEvent('job.completed')
      const { method, headers, body } = signDelivery(event, { secret })
      expect((await receiver.receive({ method, headers, body: async () => body })).status).toBe(202)

      await vi.waitFor(async () => expect((await inbox.get(event.event_id))?.state).toBe('done'), 15_000)
      expect((await client.query('SELECT * FROM jobs')).rows).toEqual([
        { job_id: event.data.job_id, status: event.data.status },
      ])
    },
    60_000,
  )
})

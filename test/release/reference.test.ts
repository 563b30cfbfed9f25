import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ScrapeNestClient } from '@scrapenest-webhooks/client'
import { createReceiver } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks as fetchHandler } from '@scrapenest-webhooks/core/fetch'
import { scrapenestWebhooks as expressMiddleware } from '@scrapenest-webhooks/express'
import { scrapenestWebhooks as fastifyPlugin } from '@scrapenest-webhooks/fastify'
import { createWorker, memoryInbox, sqliteInbox } from '@scrapenest-webhooks/inbox'
import { bullmqInbox } from '@scrapenest-webhooks/inbox-bullmq'
import { pgBossInbox } from '@scrapenest-webhooks/inbox-pg-boss'
import { scrapenestWebhooks as koaMiddleware } from '@scrapenest-webhooks/koa'
import { scrapenestWebhooks as nodeHandler } from '@scrapenest-webhooks/node'
import { startSimulator } from '@scrapenest-webhooks/simulator'
import { generateSecret } from '@scrapenest-webhooks/testing'
import Fastify from 'fastify'
import { describe, expect, it } from 'vitest'
import { optionSections } from '../../scripts/reference/option-sections.ts'
import { referencePages } from '../../scripts/reference/pages.ts'
import { readPublicApi } from '../../scripts/reference/public-api.ts'
import { repository } from '../docs/code-blocks.ts'
import { readPage } from '../docs/pages.ts'

const api = await readPublicApi()
const pages = referencePages(api)
const secret = generateSecret()
const inbox = memoryInbox()
const client = new ScrapeNestClient({ apiKey: 'sn_test' })
const artifact = { download_url: 'https://artifacts.example/page' } as never

/** Calls what a section describes, with an option that does not exist. */
const calls: Readonly<Record<string, (unknown: never) => unknown>> = {
  Receiver: (unknown: object) => createReceiver({ secret, ...unknown }),
  Fastify: (unknown: object) => Fastify().register(fastifyPlugin, { path: '/', secret, ...unknown }),
  Koa: (unknown: object) => koaMiddleware({ secret, ...unknown }),
  Express: (unknown: object) => expressMiddleware({ secret, ...unknown }),
  'node:http': (unknown: object) => nodeHandler({ secret, ...unknown }),
  Fetch: (unknown: object) => fetchHandler({ secret, ...unknown }),
  'Inbox in memory': memoryInbox,
  'Inbox on SQLite': (unknown: object) => sqliteInbox({ file: 'unused.db', ...unknown }),
  'Inbox on BullMQ': (unknown: object) => bullmqInbox({ connection: {}, ...unknown }),
  'Inbox on pg-boss': (unknown: object) => pgBossInbox({ connectionString: 'postgres://unused', ...unknown }),
  Worker: (unknown: object) => createWorker({ inbox, ...unknown }),
  'Listing events': (unknown) => inbox.list(unknown),
  'One event': (unknown) => inbox.get('event_1', unknown),
  'Replaying events': (unknown) => inbox.replay(unknown),
  'Purging events': (unknown) => inbox.purge(unknown),
  Client: (unknown: object) => new ScrapeNestClient({ apiKey: 'sn_test', ...unknown }),
  'Reading an artifact': (unknown) => client.artifacts.downloadBytes(artifact, unknown),
  'Downloading an artifact': (unknown) => client.artifacts.download(artifact, unknown),
  Simulator: startSimulator,
}

/** Exported types of options without a section, and why. */
const elsewhere: Readonly<Record<string, string>> = {
  HandlingOptions: 'the part of ReceiverOptions that a worker shares',
  ScrapenestWebhooksOptions: 'those of the adapter and those of the receiver',
  ScrapeNestErrorOptions: 'errors are created by the client',
  InboxCheckOptions: 'the options of one check of the suite, not of an application',
  ArtifactOptions: "fields of ScrapeNest's job request",
}

/** What a call takes besides the interface that its section describes. */
const besides: Readonly<Record<string, readonly string[]>> = {
  'Listing events': ['cursor', 'limit'],
}

/** The message for an unknown option lists those that exist. */
async function acceptedBy(call: (unknown: never) => unknown): Promise<readonly string[]> {
  try {
    await call({ noSuchOption: true } as never)
  } catch (error) {
    const [, names] = /The options are (.+?)\. /.exec((error as Error).message) ?? []
    if (names !== undefined) return names.split(', ')
    throw error
  }
  throw new Error('Expected an unknown option to be refused.')
}

async function listedIn(title: string): Promise<readonly string[]> {
  const [, section = ''] = (await readPage('docs/reference/options.md')).split(`\n## ${title}\n`)
  const rows = section.split('\n## ', 1)[0]?.matchAll(/^\| `(\w+)` \|/gm) ?? []
  return [...rows].map(([, name]) => name as string)
}

describe('the generated reference', () => {
  it.each([...pages.keys()])('%s is what the sources say (if not: pnpm reference)', async (page) => {
    expect(await readPage(page)).toBe(pages.get(page))
  })

  it('has no page of a package that is gone', async () => {
    const found = (await readdir(join(repository, 'docs/reference/api'))).map((name) => `docs/reference/api/${name}`)
    expect(found.sort()).toEqual([...pages.keys()].filter((page) => page.includes('/api/')).sort())
  })
})

describe('the page of options', () => {
  it.each(Object.keys(calls))('lists exactly what the check of unknown options accepts: %s', async (title) => {
    const isAdapter = ['Fastify', 'Koa', 'Express', 'node:http', 'Fetch'].includes(title)
    const others = isAdapter
      ? [...(await listedIn('Receiver')), ...(await listedIn('Ready receiver'))]
      : (besides[title] ?? [])
    const accepted = await acceptedBy(calls[title] as (unknown: never) => unknown)
    const listed = [...new Set([...(await listedIn(title)), ...others])]

    expect(listed.sort()).toEqual([...accepted].sort())
  })

  it('has a section for every interface of options that a package exports', () => {
    const exported = [...api.packages.values()].flatMap(([main]) => (main?.exports ?? []).map(({ name }) => name))
    const sections = new Set(optionSections.flatMap(({ interfaces }) => interfaces))
    const missing = exported.filter(
      (name) => name.endsWith('Options') && !sections.has(name) && !Object.hasOwn(elsewhere, name),
    )

    expect(missing.sort()).toEqual([])
  })

  it('says what each option means', () => {
    const silent = optionSections.flatMap(({ specifier, interfaces }) =>
      interfaces.flatMap((name) =>
        api
          .optionsOf(specifier, name)
          .filter(({ name: option, description }) => description === '' && option !== 'cause')
          .map((option) => `${name}.${option.name}`),
      ),
    )
    expect(silent).toEqual([])
  })
})

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeBlocksOf } from '../docs/code-blocks.ts'
import { type PackedPackage, runIn } from '../packaging/consumer.ts'

/** How a user's test runner is set up, and how it is called. */
interface Setup {
  readonly name: string
  /** What npm installs besides the packages. */
  readonly packages: readonly string[]
  /** The files of the project, by name. */
  files(): Promise<Readonly<Record<string, string>>>
  readonly command: readonly string[]
  readonly environment?: NodeJS.ProcessEnv
}

const jest = 'jest@30.5.2'
const jestCommand = ['node_modules/jest/bin/jest.js']
const vitestCommand = ['node_modules/vitest/vitest.mjs', 'run', '--globals']

export const jestWithRecipe: Setup = {
  name: 'Jest, with the recipe of the guide',
  packages: [jest, '@swc/jest@0.2.39', '@swc/core@1.16.22'],
  files: async () => ({ 'jest.config.js': await recipe(), 'receiver.test.js': await program('require') }),
  command: jestCommand,
}

const jestModules: Setup = {
  name: 'Jest, with tests that are modules',
  packages: [jest],
  files: async () => ({ 'receiver.test.mjs': await program('import') }),
  command: jestCommand,
  environment: { NODE_OPTIONS: '--experimental-vm-modules' },
}

function vitest(version: string): Setup {
  return {
    name: `Vitest ${version.split('.')[0]}`,
    packages: [`vitest@${version}`],
    files: async () => ({ 'receiver.test.mjs': await program('import') }),
    command: vitestCommand,
  }
}

/** By major version of Node. Vitest 4 is the last for Node 20. */
export const testRunners: Readonly<Record<20 | 24, readonly Setup[]>> = {
  20: [jestWithRecipe, jestModules, vitest('4.1.12')],
  24: [jestWithRecipe, jestModules, vitest('5.1.1')],
}

/**
 * Installs the packed packages and the runner into an empty folder.
 *
 * @returns a function that runs its one test with a Node, and rejects with all it printed when the test fails.
 */
export async function installRunner(
  folder: string,
  packed: readonly PackedPackage[],
  { packages, files, command, environment }: Setup,
): Promise<(node: string) => Promise<void>> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true }))
  for (const [name, text] of Object.entries(await files())) await writeFile(join(folder, name), text)
  const needed = packed.filter(({ name }) => /\/(?:core|node|express|testing|client)$/.test(name))
  const specifiers = [...needed.map(({ tarball }) => tarball), 'express@5.3.0', ...packages]
  await runIn(folder, 'npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...specifiers])
  return async (node) => void (await runIn(folder, node, command, environment))
}

async function recipe(): Promise<string> {
  const blocks = await codeBlocksOf('docs/guides/testing-your-handlers.md')
  const block = blocks.find(({ code }) => code.startsWith('// jest.config.js'))
  if (block === undefined) throw new Error('The guide has no jest.config.js.')
  return block.code
}

const imports = {
  require: `
const { once } = require('node:events')
const { scrapenestWebhooks } = require('@scrapenest-webhooks/express')
const { ScrapeNestClient } = require('@scrapenest-webhooks/client')
const { createEvent, deliver, generateSecret, signDelivery } = require('@scrapenest-webhooks/testing')
const express = require('express')`,
  import: `
import { once } from 'node:events'
import { scrapenestWebhooks } from '@scrapenest-webhooks/express'
import { ScrapeNestClient } from '@scrapenest-webhooks/client'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import express from 'express'`,
}

/** A test that reaches the built-in modules and packages that are loaded late: node:net, raw-body, node:http. */
async function program(form: keyof typeof imports): Promise<string> {
  return `${imports[form]}

test('receives a delivery in many segments', async () => {
  const secret = generateSecret()
  const seen = []
  const app = express()
  const onEvent = { 'job.*': ({ event_id }) => void seen.push(event_id) }
  app.use(scrapenestWebhooks({ path: '/hooks', secret, allowedSources: ['127.0.0.0/8', '::1'], onEvent }))
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const event = { ...createEvent('job.created'), padding: 'x'.repeat(500_000) }
  const url = 'http://127.0.0.1:' + server.address().port + '/hooks'
  expect((await deliver(url, signDelivery(event, { secret }))).reply).toEqual({ status: 'accepted' })
  expect((await deliver(url, signDelivery(event, { secret: generateSecret() }))).status).toBe(400)
  expect(seen).toEqual([event.event_id])
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

test('downloads an artifact', async () => {
  const app = express()
  app.get('/page.html', (request, response) => response.send('<p>Hello</p>'))
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const download_url = 'http://127.0.0.1:' + server.address().port + '/page.html'
  const client = new ScrapeNestClient({ apiKey: 'sn_test_key' })
  const options = { to: 'page.html', allowInsecure: true, allowPrivateAddresses: true }
  expect((await client.artifacts.download({ download_url }, options)).byteLength).toBe(12)
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})
`
}

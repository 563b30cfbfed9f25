// Runs every inbox check on the stores that need no server, and one job from the client to the simulator and back as a stored
// event and a download, in a folder where npm has installed the packed packages. Prints the result on the last line.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ScrapeNestClient } from '@scrapenest-webhooks/client'
import { memoryInbox, sqliteInbox } from '@scrapenest-webhooks/inbox'
import { scrapenestWebhooks } from '@scrapenest-webhooks/node'
import { startSimulator } from '@scrapenest-webhooks/simulator'
import { inboxChecks } from '@scrapenest-webhooks/testing'

const folder = await mkdtemp(join(tmpdir(), 'scrapenest-runtimes-'))
const failures = []
try {
  const results = {
    memory: await tryInbox({ name: 'memory', timeoutMs: 15_000, createStorage: () => ({ open: memoryInbox }) }),
    sqlite: await tryInbox({ name: 'sqlite', timeoutMs: 15_000, createStorage: createFile }),
  }
  for (const attempt of [tryJob, tryCommandLine]) {
    await attempt().catch((error) => failures.push(`${attempt.name}: ${error.stack}`))
  }
  console.log(JSON.stringify({ results, failures }))
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function createFile() {
  const file = join(await mkdtemp(join(folder, 'check-')), 'webhooks.db')
  return { open: (options) => sqliteInbox({ file, ...options }) }
}

/** @returns the number of checks that pass and that do not apply. */
async function tryInbox(target) {
  const cells = { pass: 0, 'pass without': 0, 'not applicable': 0 }
  const waiting = [...inboxChecks]
  const runNext = async () => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      try {
        cells[(await check.run(target)).cell] += 1
      } catch (error) {
        failures.push(`${target.name}, ${check.id}: ${error.message}`)
      }
    }
  }
  // Eight at a time: all checks share one disk.
  await Promise.all(Array.from({ length: 8 }, runNext))
  return `${cells.pass + cells['pass without']} + ${cells['not applicable']}`
}

async function tryJob() {
  const simulator = await startSimulator()
  const client = new ScrapeNestClient({
    apiKey: simulator.apiKey,
    baseUrl: simulator.url,
    allowInsecure: true,
    allowPrivateAddresses: true,
  })
  const inbox = sqliteInbox({ file: join(folder, 'job.db') })
  const downloaded = Promise.withResolvers()
  let secret
  const webhooks = scrapenestWebhooks({
    path: '/webhooks',
    secret: () => secret,
    inbox,
    onEvent: {
      'artifact.ready': async (event) => {
        const to = join(folder, event.data.artifact_type)
        downloaded.resolve(await client.artifacts.download(event, { to }))
      },
    },
  })
  const server = createServer(webhooks).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const url = `http://127.0.0.1:${server.address().port}/webhooks`
    ;({ secret } = await client.webhookEndpoints.create({ url, enabled_events: ['artifact.ready'] }))
    await client.scrapeAsync({ job_type: 'light', target_url: simulator.examplePageUrl })
    const { byteLength, path } = await downloaded.promise
    if ((await stat(path)).size !== byteLength) throw new Error('The artifact has the wrong size.')
  } finally {
    await webhooks.receiver.close()
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
    await simulator.close()
  }
}

/** The command line reads the file that `tryJob` filled. */
async function tryCommandLine() {
  const { bin } = JSON.parse(await readFile('node_modules/@scrapenest-webhooks/cli/package.json', 'utf8'))
  const command = join('node_modules/@scrapenest-webhooks/cli', bin['scrapenest-webhooks'])
  const options = ['inbox', 'stats', '--file', join(folder, 'job.db'), '--json']
  const { stdout } = await promisify(execFile)(process.execPath, [command, ...options])
  if (JSON.parse(stdout).done < 1) throw new Error(`No event is done: ${stdout}`)
}

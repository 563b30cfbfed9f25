import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PermanentError } from '@scrapenest-webhooks/core'
import { type InboxPage, sqliteInbox } from '@scrapenest-webhooks/inbox'
import { createEvent, deliver, signDelivery } from '@scrapenest-webhooks/testing'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { secret, startReceiver } from './local-server.ts'
import { runCli } from './run-cli.ts'

let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scrapenest-inbox-cli-'))
  file = join(folder, 'webhooks.db')
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

const done = createEvent('job.completed')
const dead = createEvent('artifact.ready', {
  data: { download_url: 'https://artifacts.example/1.html?signature=credential' },
})
const unhandled = createEvent('job.created')

/** An inbox with one handled event, one dead event, and one that had no handler. */
async function fillInbox(): Promise<void> {
  const inbox = sqliteInbox({ file })
  const { url } = await startReceiver({
    inbox,
    onEvent: {
      'job.completed': () => {},
      'artifact.ready': ({ data }) => {
        throw new PermanentError(`the artifact is of no use: ${data.download_url}`)
      },
    },
  })
  for (const event of [done, dead, unhandled]) {
    expect(await deliver(url, signDelivery(event, { secret }))).toMatchObject({ status: 202 })
  }
  for (let isBusy = true; isBusy; ) {
    const { ready, running } = await inbox.stats()
    isBusy = ready + running > 0
    // The store never yields to the event loop, so give the handlers a turn.
    await sleep(10)
  }
  await inbox.close()
}

function inbox(...parameters: string[]) {
  return runCli(['inbox', ...parameters, '--file', file])
}

it('counts and lists the events', async () => {
  await fillInbox()
  expect((await inbox('stats')).stdout).toBe('ready    0\nrunning  0\ndone     2  1 without a handler\ndead     1\n')
  expect((await inbox('stats', '--json')).json()).toEqual([{ ready: 0, running: 0, done: 2, dead: 1, unhandled: 1 }])

  const { stdout } = await inbox('list')
  expect(stdout.split('\n')[0]).toMatch(/^EVENT +TYPE +STATE +ATTEMPTS +RECEIVED$/)
  expect(stdout).toMatch(new RegExp(`^${dead.event_id} +artifact.ready +dead +1 +2\\d{3}-`, 'm'))
  expect(stdout).toContain('done (unhandled)')
  const [page] = (await inbox('list', '--state', 'dead', '--json')).json() as unknown as InboxPage[]
  expect(page?.events.map(({ eventId }) => eventId)).toEqual([dead.event_id])
  const first = (await inbox('list', '--limit', '2', '--json')).json() as unknown as InboxPage[]
  const rest = (await inbox('list', '--cursor', first[0]?.nextCursor ?? '', '--json')).json() as unknown as InboxPage[]
  expect([...(first[0]?.events ?? []), ...(rest[0]?.events ?? [])]).toHaveLength(3)
})

it('shows an event, with its credentials only with --reveal', async () => {
  await fillInbox()
  const shown = await inbox('show', dead.event_id)
  expect(shown.stdout).toContain('permanent_failure: PermanentError: the artifact is of no use')
  expect(shown.stdout).toContain('https://artifacts.example/… (--reveal shows it)')
  const asJson = await inbox('show', dead.event_id, '--json')
  for (const { stdout } of [shown, asJson, await inbox('list')]) expect(stdout).not.toContain('credential')
  expect(asJson.json()).toMatchObject([
    { eventId: dead.event_id, state: 'dead', history: [{ attempt: 1, error: { code: 'permanent_failure' } }] },
  ])
  expect((await inbox('show', dead.event_id, '--reveal')).stdout).toContain('signature=credential')
  expect(await inbox('show', 'none')).toMatchObject({ exitCode: 1, stderr: 'No event none.\n' })
})

it('replays one event, or all events in a state', async () => {
  await fillInbox()
  expect(await inbox('replay', dead.event_id)).toMatchObject({ exitCode: 0, stdout: '✓ Ready again: 1.\n' })
  const unhandledOnly = ['replay', '--state', 'done', '--unhandled']
  expect((await inbox(...unhandledOnly)).stdout).toBe('1 would be replayed. Add --yes to replay them.\n')
  expect((await inbox(...unhandledOnly, '--json')).json()).toEqual([{ wouldReplay: 1 }])
  expect((await inbox('stats', '--json')).json()).toMatchObject([{ ready: 1, done: 2, dead: 0 }])
  expect((await inbox(...unhandledOnly, '--json', '--yes')).json()).toEqual([{ replayed: 1, withoutPayload: 0 }])
  expect((await inbox('stats', '--json')).json()).toMatchObject([{ ready: 2, done: 1, dead: 0 }])
  expect(await inbox('replay')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--state dead') })
})

it('exits with 1 and a message when no event or name matches', async () => {
  await fillInbox()
  expect(await inbox('replay', 'none')).toMatchObject({
    exitCode: 1,
    stdout: '',
    stderr: 'No dead or done event none matches.\n',
  })
  expect(await inbox('replay', done.event_id, '--type', 'artifact.ready')).toMatchObject({ exitCode: 1 })
  expect(await inbox('replay', 'none', '--json')).toMatchObject({
    exitCode: 1,
    stdout: '{"replayed":0,"withoutPayload":0}\n',
  })
  expect(await inbox('stats', '--name', 'wrong')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('a receiver named wrong'),
  })
  expect(await inbox('stats', '--name', 'scrapenest')).toMatchObject({ exitCode: 0, stderr: '' })
})

it('deletes only the selected events, and only with --yes', async () => {
  await fillInbox()
  expect((await inbox('purge', '--state', 'done')).stdout).toBe('2 would be deleted. Add --yes to delete them.\n')
  expect((await inbox('purge', '--state', 'done', '--finished-before', '2020-01-01T00:00:00Z', '--yes')).stdout).toBe(
    '✓ Deleted: 0.\n',
  )
  expect((await inbox('purge', '--state', 'done', '--type', 'job.created', '--yes', '--json')).json()).toEqual([
    { purged: 1 },
  ])
  expect((await inbox('stats', '--json')).json()).toMatchObject([{ done: 1, dead: 1 }])
  expect(await inbox('purge', '--yes')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--state') })
  expect(await inbox('purge', '--state', 'done', '--finished-before', 'soon')).toMatchObject({ exitCode: 2 })
})

it('does not create a missing inbox', async () => {
  expect(await inbox('stats')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('does not exist') })
  expect(await readdir(folder)).toEqual([])
})

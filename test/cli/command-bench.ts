import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PermanentError } from '@scrapenest-webhooks/core'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'
import { startSimulator } from '@scrapenest-webhooks/simulator'
import { createEvent, deliver, signDelivery } from '@scrapenest-webhooks/testing'
import { expect, onTestFinished } from 'vitest'
import { environment, listen, secret, startReceiver } from './local-server.ts'

/** Attacks a terminal that prints it: sets the title, clears the screen and reverses the text direction. */
export const hostileText = '\u001b]0;owned\u0007\u001b[2J\u202e\u009b31m'

/** Everything that a command needs to run. */
export interface CommandBench {
  /** Command name → arguments. */
  readonly commands: Readonly<Record<string, readonly string[]>>
  readonly env: Readonly<Record<string, string>>
  /** Holds the inbox `webhooks.db` and the captured delivery; removed after the test. */
  readonly folder: string
  /** The options for the API. */
  readonly api: readonly string[]
}

/**
 * Starts the real servers that commands need: an API, a receiver, an inbox file, a captured delivery.
 *
 * @param options.text included in every event, reply and error.
 * @param options.baseUrl an API to use instead of the simulator.
 */
export async function openBench({
  text = '',
  baseUrl,
}: {
  text?: string
  baseUrl?: string
} = {}): Promise<CommandBench> {
  const folder = await mkdtemp(join(tmpdir(), 'scrapenest-bench-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const simulator = await startSimulator({ jobDelayMs: 1, retryDelaysMs: [] })
  onTestFinished(() => simulator.close())
  const event = createEvent('artifact.ready', { event_id: `event${text}`, org_slug: `slug${text}` })

  const { url } = await startReceiver()
  const endpoint = simulator.register({ url, secret })
  simulator.send({ ...event, event_id: 'sent' })
  await simulator.idle()
  const { job_id } = (await (
    await fetch(`${simulator.url}/v1/jobs`, {
      method: 'POST',
      headers: { 'x-api-key': simulator.apiKey },
      body: JSON.stringify({ job_type: 'light', target_url: simulator.examplePageUrl }),
    })
  ).json()) as { job_id: string }
  await simulator.idle()
  const job = (await (
    await fetch(`${simulator.url}/v1/jobs/${job_id}`, { headers: { 'x-api-key': simulator.apiKey } })
  ).json()) as { artifact_ids: string[] }

  const file = join(folder, 'webhooks.db')
  await storeDeadEvent(file, event, text)
  const delivery = signDelivery(event, { secret })
  await writeFile(join(folder, 'body'), delivery.body)
  await writeFile(join(folder, 'headers'), JSON.stringify(delivery.headers))
  const to = await listen((request, response) =>
    request.resume().on('end', () => response.end(JSON.stringify({ status: `accepted${text}` }))),
  )

  const api = ['--base-url', baseUrl ?? simulator.url]
  const message = simulator.messages[0]?.id ?? ''
  const commands = {
    simulate: ['--port', '0', '--endpoint', url],
    trigger: [`job.created${text}`, '--to', to],
    verify: ['--headers', join(folder, 'headers'), '--body', join(folder, 'body')],
    doctor: [to, '--body-bytes', '1000'],
    'endpoints list': api,
    'endpoints create': [url, ...api],
    'endpoints rotate': [endpoint.id, '--yes', ...api],
    'endpoints delete': [endpoint.id, '--yes', ...api],
    'endpoints messages': [endpoint.id, ...api],
    'endpoints attempts': [endpoint.id, message, ...api],
    'jobs create': [simulator.examplePageUrl, ...api],
    'jobs get': [job_id, ...api],
    'jobs list': api,
    'artifacts download': [job.artifact_ids[0] ?? '', '--to', join(folder, 'artifact'), ...api],
    'inbox stats': ['--file', file],
    'inbox list': ['--file', file],
    'inbox show': [event.event_id, '--file', file],
    'inbox replay': [event.event_id, '--file', file],
    'inbox purge': ['--state', 'dead', '--yes', '--file', file],
  }
  return { commands, folder, api, env: { ...environment, SCRAPENEST_API_KEY: simulator.apiKey } }
}

/** @param text is part of the error that ended it. */
export async function storeDeadEvent(
  file: string,
  event: object = createEvent('artifact.ready'),
  text = '',
): Promise<void> {
  const inbox = sqliteInbox({ file })
  const { dead } = await inbox.stats()
  const { url } = await startReceiver({
    inbox,
    onEvent: {
      'artifact.ready': () => {
        throw new PermanentError(`refused${text}`)
      },
    },
  })
  expect(await deliver(url, signDelivery(event, { secret }))).toMatchObject({ status: 202 })
  await expect.poll(async () => (await inbox.stats()).dead, { timeout: 10_000, interval: 10 }).toBe(dead + 1)
  await inbox.close()
}

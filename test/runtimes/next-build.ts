import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type PackedPackage, runIn } from '../packaging/consumer.ts'

const files: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify({ name: 'consumer', private: true }),
  'app/layout.js': 'export default ({ children }) => <html><body>{children}</body></html>',
  'app/page.js': 'export default () => <p>Hello</p>',
  // A bundler imports this file at build time. What it would handle, it notes.
  'app/hooks/route.js': `
import { appendFileSync } from 'node:fs'
import { scrapenestWebhooks } from '@scrapenest-webhooks/core/fetch'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'

export const POST = scrapenestWebhooks({
  secret: process.env.SCRAPENEST_WEBHOOK_SECRET,
  inbox: sqliteInbox({ file: './inbox.db' }),
  onEvent: { '*': ({ event_id }) => appendFileSync('handled.txt', event_id) },
})
`,
  'fill.mjs': `
import { scrapenestWebhooks } from '@scrapenest-webhooks/core/fetch'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'

const secret = generateSecret()
const POST = scrapenestWebhooks({ secret, inbox: sqliteInbox({ file: './inbox.db' }), processing: false })
const { status } = await POST(new Request('http://localhost/hooks', signDelivery(createEvent('job.created'), { secret })))
if (status !== 202) throw new Error('Not stored: ' + status)
await POST.receiver.close()
`,
  // The same receiver, started: the event that the build left alone is handled.
  'handle.mjs': `
import { scrapenestWebhooks } from '@scrapenest-webhooks/core/fetch'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'
import { generateSecret } from '@scrapenest-webhooks/testing'

let handled
const done = new Promise((resolve) => { handled = resolve })
const onEvent = { '*': handled }
const POST = scrapenestWebhooks({ secret: generateSecret(), inbox: sqliteInbox({ file: './inbox.db' }), onEvent })
await POST.receiver.start()
console.log((await done).event_type)
await POST.receiver.close()
`,
}

/**
 * Builds a Next.js application without the secret, over an inbox that holds an event.
 *
 * @returns what went wrong.
 */
export async function tryNextBuild(
  folder: string,
  packed: readonly PackedPackage[],
  node: string,
): Promise<readonly string[]> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  const needed = packed.filter(({ name }) => /\/(?:core|inbox|testing)$/.test(name)).map(({ tarball }) => tarball)
  const install = ['install', '--no-audit', '--no-fund', '--prefer-offline']
  await runIn(folder, 'npm', [...install, ...needed, 'next@16.4.6', 'react@19.3.1', 'react-dom@19.3.1'])
  await runIn(folder, node, ['fill.mjs'])
  const environment = { NEXT_TELEMETRY_DISABLED: '1', SCRAPENEST_WEBHOOK_SECRET: undefined }
  const printed = await runIn(folder, node, ['node_modules/next/dist/bin/next', 'build'], environment)
  if (!printed.includes('/hooks')) return [`next build printed no route:\n${printed}`]
  const handled = join(folder, 'handled.txt')
  if (existsSync(handled)) return [`next build ran a handler for ${await readFile(handled, 'utf8')}`]
  const left = (await runIn(folder, node, ['handle.mjs'])).trim()
  return left === 'job.created' ? [] : [`The event is not in the inbox any more: ${left}`]
}

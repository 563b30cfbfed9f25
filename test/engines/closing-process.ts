// A worker that closes on a message from its parent. Its process must then exit on its own:
// node closing-process.ts <engine> <url> <name>
import { createWorker } from '@scrapenest-webhooks/inbox'
import { type InboxEngine, openPlace } from './engine-inboxes.ts'

const [engine, url = '', name = ''] = process.argv.slice(2)
const inbox = openPlace(engine as InboxEngine, { url, name }).createInbox()
const worker = createWorker({ inbox, logger: { warn() {}, error() {} } })
await worker.start()
process.once('message', async () => {
  await worker.close({ graceMs: 1000 })
  process.disconnect()
})
process.send?.('started')

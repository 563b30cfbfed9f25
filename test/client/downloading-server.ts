// A server whose handler downloads what it is told of, behind an inbox: started, killed and started again by a test.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isScrapeNestError, ScrapeNestClient } from '@scrapenest-webhooks/client'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'
import { scrapenestWebhooks } from '@scrapenest-webhooks/node'

// A file size limit makes a write fail; without a listener the signal that comes first ends the process.
process.on('SIGXFSZ', () => {})

const [secret, folder] = process.argv.slice(2)
const client = new ScrapeNestClient({ apiKey: 'k', allowInsecure: true, allowPrivateAddresses: true, maxRetries: 0 })
const say = (message: object): void => void process.stdout.write(`${JSON.stringify(message)}\n`)

const handler = scrapenestWebhooks({
  secret,
  inbox: sqliteInbox({ file: `${folder}/webhooks.db`, leaseMs: 500, backoff: () => 50, maxAttempts: 1_000 }),
  logger: { warn() {}, error() {} },
  onError: (error) => {
    const isWriteError = isScrapeNestError(error) && error.code === 'file_write_failed'
    say({ failed: isWriteError ? error.systemCode : String(error) })
  },
  onEvent: {
    'artifact.ready': async (event, { signal, attempt }) => {
      const onProgress = (): void => say({ receiving: attempt })
      const { sha256 } = await client.artifacts.download(event, { to: `${folder}/files/page.html`, signal, onProgress })
      say({ sha256, attempt })
    },
  },
})
const server = createServer(handler).listen(0, '127.0.0.1', () => say({ port: (server.address() as AddressInfo).port }))
await handler.receiver.start()

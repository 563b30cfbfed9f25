// A server with an inbox whose handler downloads artifacts. A test starts, kills and restarts it.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isScrapeNestError, ScrapeNestClient } from '@scrapenest-webhooks/client'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'
import { scrapenestWebhooks } from '@scrapenest-webhooks/node'

// Makes a write beyond the file size limit fail with EFBIG; without a listener, SIGXFSZ ends the process.
process.on('SIGXFSZ', () => {})

const [secret, folder] = process.argv.slice(2)
const client = new ScrapeNestClient({ apiKey: 'k', allowInsecure: true, allowPrivateAddresses: true, maxRetries: 0 })
const print = (message: object): void => void process.stdout.write(`${JSON.stringify(message)}\n`)

const handler = scrapenestWebhooks({
  secret,
  inbox: sqliteInbox({ file: `${folder}/webhooks.db`, leaseMs: 500, backoff: () => 50, maxAttempts: 1_000 }),
  logger: { warn() {}, error() {} },
  onError: (error) => {
    const isWriteError = isScrapeNestError(error) && error.code === 'file_write_failed'
    print({ failed: isWriteError ? error.systemCode : String(error) })
  },
  onEvent: {
    'artifact.ready': async (event, { signal, attempt }) => {
      const onProgress = (): void => print({ receiving: attempt })
      const { sha256 } = await client.artifacts.download(event, { to: `${folder}/files/page.html`, signal, onProgress })
      print({ sha256, attempt })
    },
  },
})
const server = createServer(handler).listen(0, '127.0.0.1', () =>
  print({ port: (server.address() as AddressInfo).port }),
)
await handler.receiver.start()

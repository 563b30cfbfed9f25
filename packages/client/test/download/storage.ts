import { createHash, randomBytes } from 'node:crypto'
import { ScrapeNestClient } from '../../src/index.ts'
import { startServer } from '../stub-server.ts'

export const apiKey = 'sn_live_0123456789abcdef'
export const bytes: Buffer = randomBytes(300_000)
export const sha256: string = createHash('sha256').update(bytes).digest('hex')
/** Options that let a download reach this machine. */
export const here = { allowInsecure: true, allowPrivateAddresses: true }

/** A client without retries that may download from this machine. */
export function clientOf(options: object = {}): ScrapeNestClient {
  return new ScrapeNestClient({ apiKey, maxRetries: 0, ...here, ...options })
}

/** A storage service that returns these bytes for every request. */
export function startStorage(headers: Record<string, string> = {}, body: Uint8Array = bytes): Promise<string> {
  return startServer((_request, response) => response.writeHead(200, headers).end(body))
}

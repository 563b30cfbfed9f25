import type { ScrapeNestClient } from '@scrapenest-webhooks/client'
import type { Command } from 'commander'
import { parseUrl } from '../arguments.ts'
import { UsageError } from '../usage-error.ts'

export interface ApiOptions {
  readonly baseUrl: string
  readonly json?: boolean
}

export interface ConfirmOptions {
  readonly yes?: boolean
}

export function withApiOptions(command: Command): Command {
  return command
    .option('--base-url <url>', 'the base URL of the API', parseUrl, 'https://api.scrapenest.com')
    .option('--json', 'print the response as JSON')
}

export async function createClient({ baseUrl }: ApiOptions): Promise<ScrapeNestClient> {
  const apiKey = process.env['SCRAPENEST_API_KEY']
  if (!apiKey)
    throw new UsageError('Set SCRAPENEST_API_KEY to your API key. A simulator prints its own when it starts.')
  const { isLocalHost } = await import('@scrapenest-webhooks/simulator')
  const { ScrapeNestClient } = await import('@scrapenest-webhooks/client')
  // A simulator serves its artifacts from this machine over http.
  const isLocal = isLocalHost(new URL(baseUrl).hostname)
  return new ScrapeNestClient({ apiKey, baseUrl, allowInsecure: isLocal, allowPrivateAddresses: isLocal })
}

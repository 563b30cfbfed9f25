import { ScrapeNestClient } from '@scrapenest-webhooks/client'
import { startSimulator } from '@scrapenest-webhooks/simulator'

export interface Connection {
  readonly client: ScrapeNestClient
  /** A page to scrape. */
  readonly targetUrl: string
  /** The origin at which ScrapeNest reaches a server that listens at `localOrigin`. */
  publicOrigin(localOrigin: string): string
  disconnect(): Promise<void>
}

/** Connects to ScrapeNest if SCRAPENEST_API_KEY is set, otherwise to a local simulator. */
export async function connect(): Promise<Connection> {
  const {
    SCRAPENEST_API_KEY: apiKey,
    PUBLIC_ORIGIN: origin,
    TARGET_URL: targetUrl = 'https://example.com/',
  } = process.env
  if (apiKey) {
    if (!origin) throw new Error('Set PUBLIC_ORIGIN to the https:// origin at which ScrapeNest reaches this machine.')
    return { client: new ScrapeNestClient({ apiKey }), targetUrl, publicOrigin: () => origin, async disconnect() {} }
  }
  const simulator = await startSimulator()
  return {
    client: new ScrapeNestClient({
      apiKey: simulator.apiKey,
      baseUrl: simulator.url,
      // The simulator serves artifacts from this machine over plain http.
      allowInsecure: true,
      allowPrivateAddresses: true,
    }),
    targetUrl: simulator.examplePageUrl,
    publicOrigin: (localOrigin) => localOrigin,
    disconnect: () => simulator.close(),
  }
}

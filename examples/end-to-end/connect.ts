import { ScrapeNestClient } from '@scrapenest-webhooks/client'
import { startSimulator } from '@scrapenest-webhooks/simulator'

export interface Connection {
  readonly client: ScrapeNestClient
  /** A page to scrape. */
  readonly targetUrl: string
  /** Under which origin ScrapeNest reaches a server that listens at `localOrigin`. */
  publicOrigin(localOrigin: string): string
  disconnect(): Promise<void>
}

/** ScrapeNest itself where SCRAPENEST_API_KEY is set, and otherwise one on this machine. */
export async function connect(): Promise<Connection> {
  const {
    SCRAPENEST_API_KEY: apiKey,
    PUBLIC_ORIGIN: origin,
    TARGET_URL: targetUrl = 'https://example.com/',
  } = process.env
  if (apiKey) {
    if (!origin)
      throw new Error('Set PUBLIC_ORIGIN to the https:// address under which ScrapeNest reaches this machine.')
    return { client: new ScrapeNestClient({ apiKey }), targetUrl, publicOrigin: () => origin, async disconnect() {} }
  }
  const simulator = await startSimulator()
  return {
    client: new ScrapeNestClient({
      apiKey: simulator.apiKey,
      baseUrl: simulator.url,
      // Its artifacts are on this machine, over plain http.
      allowInsecure: true,
      allowPrivateAddresses: true,
    }),
    targetUrl: simulator.examplePageUrl,
    publicOrigin: (localOrigin) => localOrigin,
    disconnect: () => simulator.close(),
  }
}

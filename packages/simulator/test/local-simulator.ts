import { ScrapeNestClient } from '@scrapenest-webhooks/client'
import { type Message, type Simulator, type SimulatorOptions, startSimulator } from '../src/index.ts'
import { afterTest, type LocalReceiver, startReceiver } from './local-receiver.ts'

/** A simulator that is closed after the test, and a client for it. */
export async function setUp(
  options: SimulatorOptions = {},
): Promise<{ simulator: Simulator; client: ScrapeNestClient }> {
  const simulator = await startSimulator({ jobDelayMs: 5, ...options })
  afterTest(() => simulator.close())
  return { simulator, client: clientOf(simulator) }
}

export function clientOf({ apiKey, url }: Simulator, options: object = {}): ScrapeNestClient {
  return new ScrapeNestClient({
    apiKey,
    baseUrl: url,
    maxRetries: 0,
    allowInsecure: true,
    allowPrivateAddresses: true,
    ...options,
  })
}

export interface Subscription {
  readonly simulator: Simulator
  readonly client: ScrapeNestClient
  readonly receiver: LocalReceiver
  readonly endpointId: string
}

/** A simulator with short delays, and a receiver that is registered with it and has its secret. */
export async function subscribe(
  options: SimulatorOptions = {},
  receiving: Parameters<typeof startReceiver>[0] = {},
): Promise<Subscription> {
  const simulator = await startSimulator({ speed: 100, retryDelaysMs: [1_000, 2_000, 4_000], ...options })
  afterTest(() => simulator.close())
  const client = new ScrapeNestClient({ apiKey: simulator.apiKey, baseUrl: simulator.url })
  const receiver = await startReceiver(receiving)
  const { secret, endpoint_id } = await client.webhookEndpoints.create({ url: receiver.url })
  receiver.secret = secret
  return { simulator, client, receiver, endpointId: endpoint_id }
}

export const accepted = '202 {"status":"accepted"}'
export const duplicate = '202 {"status":"duplicate"}'

/** The reply to each attempt, as text. */
export function repliesTo(message: Message | undefined): readonly string[] {
  return (
    message?.attempts.map(({ statusCode, responseBody, failure }) => failure ?? `${statusCode} ${responseBody}`) ?? []
  )
}

import type { RedisQueueBackend } from 'bullmq'

type Client = Awaited<RedisQueueBackend['client']>

/** How long Redis may take to answer a PING, in milliseconds. */
const pingTimeoutMs = 3000

/** Connections that are being checked. */
const checked = new WeakSet<Client>()

/**
 * Replaces a connection that is open but silent, because its other end disappeared without a FIN, as when a firewall drops
 * it. TCP itself notices only after minutes, and until then new commands queue behind those that are never answered.
 *
 * Only for clients that this package creates, which are ioredis clients.
 */
export async function dropIfSilent(connecting: Promise<Client>): Promise<void> {
  const client = await connecting.catch(() => undefined)
  if (client === undefined || client.status !== 'ready' || checked.has(client)) return
  checked.add(client)
  // BullMQ's type of a client declares only the methods that BullMQ calls.
  const ioredis = client as unknown as { ping(): Promise<unknown>; disconnect(reconnect: boolean): void }
  const replace = (): void => {
    // It may have been closed in the meantime, and must not be opened again.
    if (client.status === 'ready') ioredis.disconnect(true)
  }
  const silent = setTimeout(replace, pingTimeoutMs).unref()
  await ioredis.ping().catch(() => {})
  clearTimeout(silent)
  checked.delete(client)
}

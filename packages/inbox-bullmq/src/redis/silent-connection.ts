import type { RedisQueueBackend } from 'bullmq'

type Client = Awaited<RedisQueueBackend['client']>

/** How long Redis may take to answer a PING, in milliseconds. */
const pingTimeoutMs = 3000

/** Connections that are being checked. */
const checked = new WeakSet<Client>()

/**
 * Replaces a connection that is open but silent because the other end disappeared without a FIN, for example dropped by a
 * firewall. TCP only notices after minutes. Until then, new commands queue behind commands that are never answered.
 *
 * Only for ioredis clients created by this package.
 */
export async function dropIfSilent(connecting: Promise<Client>): Promise<void> {
  const client = await connecting.catch(() => undefined)
  if (client === undefined || client.status !== 'ready' || checked.has(client)) return
  checked.add(client)
  // BullMQ's client type only declares the methods that BullMQ calls.
  const ioredis = client as unknown as { ping(): Promise<unknown>; disconnect(reconnect: boolean): void }
  const replace = (): void => {
    // The client may have been closed in the meantime, and must not be reopened.
    if (client.status === 'ready') ioredis.disconnect(true)
  }
  const silent = setTimeout(replace, pingTimeoutMs).unref()
  await ioredis.ping().catch(() => {})
  clearTimeout(silent)
  checked.delete(client)
}

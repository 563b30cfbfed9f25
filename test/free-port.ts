import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * A free port for a server that starts later, or that stops and starts again. Below the ports that operating systems choose for
 * outgoing connections and for port 0, one of which could take it in the meantime.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000)
    const server = createServer().listen(port)
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

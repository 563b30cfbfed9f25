// A proxy whose connections can go silent, as behind a dead router or a failed load balancer.
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface SilentProxy {
  readonly url: string
  /** Silences the existing connections without closing them. New ones work. */
  silence(): void
  /** Drops the server's answer to the next bytes that contain this text, and silences that connection. */
  loseAnswerTo(text: string): void
  close(): Promise<void>
}

export async function startSilentProxy(serverUrl: string): Promise<SilentProxy> {
  const target = new URL(serverUrl)
  const sockets = new Set<Socket>()
  let generation = 0
  let lost: string | undefined
  const server = createServer((client) => {
    const own = generation
    const upstream = connect(Number(target.port), target.hostname)
    let isDeaf = false
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {}).on('close', () => (own === generation ? to.destroy() : undefined))
      from.on('data', (bytes) => {
        if (own !== generation) return
        if (from === client && lost !== undefined && bytes.includes(lost)) {
          lost = undefined
          isDeaf = true
        }
        if (from === client || !isDeaf) to.write(bytes)
      })
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const url = new URL(serverUrl)
  url.port = String(port)
  return {
    url: url.href,
    silence() {
      generation += 1
    },
    loseAnswerTo(text) {
      lost = text
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

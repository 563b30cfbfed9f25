import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

// Why not autocannon: it builds each request and parses each reply in JavaScript, so it is slower than the fastest servers
// here and would measure itself. Why not wrk: it cannot send each of a set of signed requests once and stop.

export interface LoadResult {
  readonly repliesPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/**
 * Sends each raw HTTP request once over keep-alive connections, one at a time per connection, and expects the same reply to
 * all.
 *
 * @throws {Error} if a reply differs or a connection ends.
 */
export async function load(
  port: number,
  requests: readonly Buffer[],
  { connections, expectedBody }: { readonly connections: number; readonly expectedBody: string },
): Promise<LoadResult> {
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)))
  const latenciesMs = new Float64Array(requests.length)
  let next = 0
  const startedAtMs = performance.now()
  let isRunning = true
  // The generator never sleeps. Otherwise, each reply of a slow server would have to wake the generator's core, which costs
  // the server time in the write. A fast server would not pay for that.
  const stayAwake = (): void => {
    if (isRunning) setImmediate(stayAwake)
  }
  stayAwake()
  await Promise.all(sockets.map((socket) => drive(socket))).finally(() => {
    isRunning = false
  })
  const elapsedMs = performance.now() - startedAtMs
  for (const socket of sockets) socket.destroy()
  latenciesMs.sort()
  return {
    repliesPerSecond: (requests.length * 1000) / elapsedMs,
    p50Ms: latenciesMs[Math.floor(requests.length * 0.5)] as number,
    p99Ms: latenciesMs[Math.floor(requests.length * 0.99)] as number,
  }

  function drive(socket: Socket): Promise<void> {
    return new Promise((resolve, reject) => {
      let sentAtMs = 0
      let current = 0
      let reply = ''
      const send = (): void => {
        if (next >= requests.length) {
          resolve()
          return
        }
        current = next
        next += 1
        reply = ''
        sentAtMs = performance.now()
        socket.write(requests[current] as Buffer)
      }
      socket.on('data', (chunk: Buffer) => {
        reply += chunk.toString('latin1')
        if (!reply.startsWith('HTTP/1.1 202') && reply.includes('\r\n\r\n')) {
          reject(new Error(`Expected 202, got: ${reply.slice(0, 300)}`))
        }
        if (!reply.endsWith(expectedBody)) return
        latenciesMs[current] = performance.now() - sentAtMs
        send()
      })
      socket.on('close', () => reject(new Error(`A connection ended after: ${reply.slice(0, 300)}`)))
      socket.on('error', reject)
      send()
    })
  }
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  await once(socket, 'connect')
  return socket
}

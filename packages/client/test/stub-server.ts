import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { afterEach } from 'vitest'
import { selfSigned } from './self-signed.ts'

export interface StubResponse {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface StubServer {
  readonly url: string
  readonly requests: readonly SeenRequest[]
}

const servers: Server[] = []
const sockets = new Set<Socket>()

afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  for (const server of servers.splice(0)) await new Promise((closed) => server.close(closed))
})

/** A real server on this machine, closed after the test. */
export async function startServer(listener: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(createServer(listener))}`
}

/** A server over TLS whose certificate no client trusts. `onConnection` is called for each connection. */
export async function startTlsServer(listener: RequestListener, onConnection: () => void): Promise<string> {
  return `https://127.0.0.1:${await listen(createTlsServer(selfSigned, listener).on('connection', onConnection))}`
}

/** A raw TCP server. `onConnection` receives each connection. */
export async function startTcpServer(onConnection: (socket: Socket) => void): Promise<string> {
  return `http://127.0.0.1:${await listen(createTcpServer(onConnection))}`
}

/** An address at which nothing listens. */
export async function freeUrl(): Promise<string> {
  const server = createServer()
  const port = await listen(server)
  servers.splice(servers.indexOf(server), 1)
  await new Promise((closed) => server.close(closed))
  return `http://127.0.0.1:${port}`
}

async function listen(server: Server): Promise<number> {
  servers.push(server)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return (server.address() as AddressInfo).port
}

/** Sends the responses in turn, and the last one repeatedly. Text is sent unchanged, everything else as JSON. */
export async function startStub(...responses: readonly StubResponse[]): Promise<StubServer> {
  const requests: SeenRequest[] = []
  const url = await startServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method = '', url = '', headers } = request
    requests.push({ method, url, headers, body: Buffer.concat(chunks).toString() })
    const stub = responses[Math.min(requests.length, responses.length) - 1] ?? {}
    response.writeHead(stub.status ?? 200, { 'content-type': 'application/json', ...stub.headers })
    response.end(typeof stub.body === 'string' ? stub.body : JSON.stringify(stub.body ?? {}))
  })
  return { url, requests }
}

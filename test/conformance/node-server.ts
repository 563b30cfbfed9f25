import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ConformanceServer } from '@scrapenest-webhooks/testing'

/** Listens on a free port. Closing does not wait for open connections. */
export function listen(server: Server): Promise<ConformanceServer> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(serverOf(server)))
  })
}

/** A listening server, in the form that targets return. */
export function serverOf(server: Server): ConformanceServer {
  const { port } = server.address() as AddressInfo
  return {
    port,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed())
        server.closeAllConnections()
      }),
  }
}

/** The properties that a parser sets on a node:http request. */
export interface Parsed {
  body?: unknown
  rawBody?: unknown
}

/** Parses a body as middleware does that is unaware of signatures. Optionally keeps the bytes. */
export function parseJsonFirst(keepBytes: boolean, next: RequestListener): RequestListener {
  return (request, response) => {
    if (request.method === 'GET') {
      next(request, response)
      return
    }
    const parsed: Parsed = request
    const chunks: Uint8Array[] = []
    request.on('data', (chunk: Uint8Array) => chunks.push(chunk))
    request.on('end', () => {
      const bytes = Buffer.concat(chunks)
      if (keepBytes) parsed.rawBody = bytes
      try {
        parsed.body = JSON.parse(bytes.toString('utf8'))
      } catch {
        parsed.body = undefined
      }
      next(request, response)
    })
  }
}

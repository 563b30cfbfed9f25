import { type IncomingMessage, request } from 'node:http'

/** A request as it goes on the wire: header lines may repeat; the body may be sent in pieces, stall, or break off. */
export interface WireRequest {
  readonly port: number
  readonly method: string
  readonly path: string
  /** A list is sent as several lines of one header. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Uint8Array
  /**
   * `whole`: with a declared length. `bytes`: chunked, cut inside every multi-byte character. `stalled`: half of it,
   * then nothing. `aborted`: half of it, then the connection is closed.
   */
  readonly manner: 'whole' | 'bytes' | 'stalled' | 'aborted'
}

export interface WireReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: string
}

/** Sends one request on its own connection. Resolves with `undefined` if the client closes it before the reply. */
export function send(wire: WireRequest): Promise<WireReply | undefined> {
  return new Promise((resolve, reject) => {
    const { port, method, path, body, manner } = wire
    const length = manner === 'bytes' ? {} : { 'content-length': String(body.byteLength) }
    const headers: Record<string, string | string[]> = body.byteLength > 0 ? { ...length } : {}
    for (const [name, value] of Object.entries(wire.headers))
      headers[name] = typeof value === 'string' ? value : [...value]
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers, agent: false })
    let answered = false
    outgoing.on('response', (response) => {
      answered = true
      readReply(response).then((reply) => {
        outgoing.destroy()
        resolve(reply)
      }, reject)
    })
    // A server that refuses early may close while the client still writes. Only an error without a reply counts.
    outgoing.on('error', (error) => (answered || manner === 'aborted' ? resolve(undefined) : reject(error)))
    write(outgoing, body, manner, () => resolve(undefined))
  })
}

function write(
  outgoing: ReturnType<typeof request>,
  body: Uint8Array,
  manner: WireRequest['manner'],
  aborted: () => void,
): void {
  if (manner === 'whole' || body.byteLength === 0) {
    outgoing.end(body)
    return
  }
  if (manner === 'bytes') {
    for (const piece of cutInsideCharacters(body)) outgoing.write(piece)
    outgoing.end()
    return
  }
  outgoing.write(body.subarray(0, Math.ceil(body.byteLength / 2)), () => {
    if (manner !== 'aborted') return
    // Gives the bytes time to arrive, so that the server is reading the body when the client disconnects.
    setTimeout(() => {
      outgoing.destroy()
      aborted()
    }, 30)
  })
}

/** Pieces that end inside each multi-byte character, which a text decoder per chunk would break. */
function* cutInsideCharacters(body: Uint8Array): Generator<Uint8Array> {
  let start = 0
  for (let index = 0; index < body.byteLength; index += 1) {
    if ((body[index] as number) < 0xc0) continue
    yield body.subarray(start, index + 1)
    start = index + 1
  }
  if (start < body.byteLength) yield body.subarray(start)
}

async function readReply(response: IncomingMessage): Promise<WireReply> {
  const chunks: Uint8Array[] = []
  for await (const chunk of response) chunks.push(chunk as Uint8Array)
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString('utf8') }
}

import { type ClientRequest, type IncomingMessage, request } from 'node:http'

/** A request on the wire. Header lines may repeat. The body may be sent in pieces, stall, or end early. */
export interface WireRequest {
  readonly port: number
  readonly method: string
  readonly path: string
  /** A list is sent as several lines of one header. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Uint8Array
  /**
   * How to send the body. `whole`: with a declared length. `bytes`: chunked, cut inside every multi-byte character.
   * `endless`: the same, without an end. `stalled`: half of it, then nothing. `aborted`: half of it, then a disconnect.
   */
  readonly manner: 'whole' | 'bytes' | 'endless' | 'stalled' | 'aborted'
  /** How long to wait for the complete reply, in milliseconds. */
  readonly timeoutMs: number
}

export interface WireReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: string
}

/**
 * Sends one request on a new connection. Resolves with `undefined` if the client disconnects before the reply.
 *
 * @throws {Error} the server closed the connection without a reply, or did not reply in time.
 */
export async function sendRequest(wire: WireRequest): Promise<WireReply | undefined> {
  const { port, method, path, timeoutMs } = wire
  const outgoing = request({ host: '127.0.0.1', port, method, path, headers: headersOf(wire), agent: false })
  const timer = setTimeout(() => outgoing.destroy(new Error(`none within ${timeoutMs} ms`)), timeoutMs)
  try {
    return await receiveReply(outgoing, wire)
  } finally {
    clearTimeout(timer)
    outgoing.destroy()
  }
}

function receiveReply(outgoing: ClientRequest, { body, manner }: WireRequest): Promise<WireReply | undefined> {
  return new Promise((resolve, reject) => {
    let isAnswered = false
    outgoing.on('response', (response) => {
      isAnswered = true
      readReply(response).then(resolve, reject)
    })
    outgoing.on('error', (error) => {
      // A server that refuses early may close the connection while the client still writes.
      if (!isAnswered) reject(error)
    })
    writeBody(outgoing, { body, manner, onAborted: () => resolve(undefined) })
  })
}

function headersOf({ headers, body, manner }: WireRequest): Record<string, string | string[]> {
  const isChunked = manner === 'bytes' || manner === 'endless'
  const length = isChunked || body.byteLength === 0 ? {} : { 'content-length': String(body.byteLength) }
  const lines = Object.entries(headers).map(([name, value]) => [name, typeof value === 'string' ? value : [...value]])
  // Otherwise the client asks to close the connection, and every server does.
  return { connection: 'keep-alive', ...length, ...Object.fromEntries(lines) }
}

function writeBody(
  outgoing: ClientRequest,
  { body, manner, onAborted }: Pick<WireRequest, 'body' | 'manner'> & { readonly onAborted: () => void },
): void {
  if (manner === 'whole' || body.byteLength === 0) {
    outgoing.end(body)
    return
  }
  if (manner === 'bytes' || manner === 'endless') {
    for (const piece of cutInsideCharacters(body)) outgoing.write(piece)
    if (manner === 'bytes') outgoing.end()
    return
  }
  outgoing.write(body.subarray(0, Math.ceil(body.byteLength / 2)), () => {
    // Gives the bytes time to arrive, so that the server is reading the body when the client disconnects.
    if (manner === 'aborted') setTimeout(onAborted, 30)
  })
}

/** Splits inside every multi-byte character, which breaks code that decodes each chunk separately. */
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

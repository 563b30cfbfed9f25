import { connect, type Socket } from 'node:net'
import { deferred } from './deferred.ts'

/** Bytes to write, a pause in milliseconds, or the end: `FIN` keeps reading, `gone` destroys the socket. */
export type Step = Uint8Array | string | number | 'FIN' | 'gone'

export interface RawReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Exchange {
  /** Final replies. `100 Continue` is counted separately. */
  readonly replies: readonly RawReply[]
  readonly continues: number
  /** Whether the server closed the connection. */
  readonly isClosedByServer: boolean
}

export interface ExchangeOptions {
  /** The number of replies to wait for. @default 1 */
  readonly replies?: number
  /** The time limit. */
  readonly timeoutMs?: number
  /** Also wait until the server closes the connection. */
  readonly untilClosed?: boolean
}

/** Writes these steps and reads the replies. Never rejects: a socket error ends the exchange. */
export async function exchange(port: number, steps: Iterable<Step>, options: ExchangeOptions = {}): Promise<Exchange> {
  const { replies: wanted = 1, timeoutMs = 5000, untilClosed = false } = options
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  let received = Buffer.alloc(0)
  let isClosedByServer = false
  const done = deferred()
  const timer = setTimeout(done.resolve, timeoutMs)
  function look(): void {
    if (isClosedByServer || (!untilClosed && parseReplies(received).replies.length >= wanted)) done.resolve()
  }
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    look()
  })
  function ended(): void {
    isClosedByServer = true
    look()
  }
  socket.on('end', ended).on('close', ended).on('error', ended)
  await write(socket, steps)
  if (!socket.destroyed) await done.promise
  clearTimeout(timer)
  socket.destroy()
  return { ...parseReplies(received), isClosedByServer }
}

async function write(socket: Socket, steps: Iterable<Step>): Promise<void> {
  for (const step of steps) {
    if (typeof step === 'number') await new Promise((resolve) => setTimeout(resolve, step))
    else if (step === 'FIN') socket.end()
    else if (step === 'gone') socket.destroy()
    else if (socket.writable) await new Promise<void>((resolve) => socket.write(step, () => resolve()))
  }
}

function parseReplies(received: Buffer): { readonly replies: readonly RawReply[]; readonly continues: number } {
  const replies: RawReply[] = []
  let continues = 0
  let text = received.toString('latin1')
  for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
    const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n')
    const status = Number(statusLine.split(' ')[1])
    const headers = Object.fromEntries(
      lines.map((line) => [line.split(':', 1)[0]?.toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    const rest = text.slice(end + 4)
    if (status === 100) {
      continues += 1
      text = rest
      continue
    }
    const body = bodyOf(rest, headers)
    if (body === undefined) break
    replies.push({ status, headers, body: body.text })
    text = rest.slice(body.length)
  }
  return { replies, continues }
}

function bodyOf(
  rest: string,
  headers: Record<string, string>,
): { readonly text: string; readonly length: number } | undefined {
  if (headers['transfer-encoding'] !== 'chunked') {
    const length = Number(headers['content-length'] ?? 0)
    return rest.length < length ? undefined : { text: rest.slice(0, length), length }
  }
  let at = 0
  let text = ''
  for (;;) {
    const lineEnd = rest.indexOf('\r\n', at)
    if (lineEnd === -1) return undefined
    const size = Number.parseInt(rest.slice(at, lineEnd), 16)
    if (rest.length < lineEnd + 4 + size) return undefined
    text += rest.slice(lineEnd + 2, lineEnd + 2 + size)
    at = lineEnd + 4 + size
    if (size === 0) return { text, length: at }
  }
}

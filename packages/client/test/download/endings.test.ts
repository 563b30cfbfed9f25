import { mkdir, readdir, readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { isScrapeNestError } from '../../src/index.ts'
import { startTcpServer } from '../stub-server.ts'
import { bytes, clientOf, sha256 } from './storage.ts'
import { useTemporaryFolder } from './temporary-folder.ts'

const folder = useTemporaryFolder()

const codings = [
  ['identity', bytes],
  ['gzip', gzipSync(bytes)],
  ['br', brotliCompressSync(bytes)],
  ['deflate', deflateSync(bytes)],
] as const

const framings = ['chunked', 'content-length'] as const
type Framing = (typeof framings)[number]

/** The raw bytes of a response, split at the points where it can break off. `bodyEnd` ends the message. */
function responseOf(coding: string, body: Uint8Array, framing: Framing) {
  const isChunked = framing === 'chunked'
  const frame = isChunked ? 'transfer-encoding: chunked' : `content-length: ${body.length}`
  const head = `HTTP/1.1 200 OK\r\ncontent-encoding: ${coding}\r\n${frame}\r\n\r\n`
  const middle = body.length / 2
  const partOf = isChunked ? chunkOf : Buffer.from
  return {
    headers: [Buffer.from(head.slice(0, 30)), Buffer.from(head.slice(30))],
    body: [partOf(body.subarray(0, middle)), partOf(body.subarray(middle, -1)), partOf(body.subarray(-1))],
    bodyEnd: Buffer.from(isChunked ? '0\r\n\r\n' : ''),
  } as const
}

function chunkOf(content: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${content.length.toString(16)}\r\n`), content, Buffer.from('\r\n')])
}

const endConnection = {
  close: (socket: Socket) => socket.end(),
  reset: (socket: Socket) => socket.resetAndDestroy(),
  stall: () => {},
}

interface Ending {
  readonly name: string
  readonly sent: readonly Buffer[]
  readonly end: (socket: Socket) => void
  readonly outcome: string
}

/** Every way for a response to end early, and one complete response. */
function endingsOf(framing: Framing, coding: string, encoded: Uint8Array): readonly Ending[] {
  const { headers, body, bodyEnd } = responseOf(coding, encoded, framing)
  const moments = {
    'before the headers': [],
    'in the headers': headers.slice(0, 1),
    'after the headers': headers,
    'in the body': [...headers, body[0]],
    'in a chunk of the body': [...headers, body[0].subarray(0, -1000)],
    // With a content-length, the response is complete at this point.
    ...(framing === 'chunked' && { 'after the body': [...headers, ...body] }),
  }
  const broken = Object.entries(moments).flatMap(([moment, sent]) =>
    Object.entries(endConnection).map(([how, end]) => {
      return { name: `${how} ${moment}`, sent, end, outcome: how === 'stall' ? 'request_timeout' : 'connection_failed' }
    }),
  )
  // Complete as far as HTTP is concerned, but truncated.
  const undecodable = coding === 'identity' ? 'integrity_mismatch' : 'content_decoding_failed'
  const whole = { name: 'whole', sent: [...headers, ...body, bodyEnd], outcome: 'whole' }
  const cut = [
    { name: 'cut after the headers', sent: [...headers, bodyEnd], outcome: 'integrity_mismatch' },
    { name: 'cut in the body', sent: [...headers, body[0], bodyEnd], outcome: undecodable },
    { name: 'cut before the last byte', sent: [...headers, body[0], body[1], bodyEnd], outcome: undecodable },
  ]
  const complete = framing === 'chunked' ? [...cut, whole] : [whole]
  return [...broken, ...complete.map((ending) => ({ ...ending, end: endConnection.stall }))]
}

/** Downloads a response that ends this way. @returns the outcome, and the files that are left. */
async function downloadEnding({
  name,
  sent,
  end,
}: Ending): Promise<readonly [outcome: string, files: readonly string[]]> {
  const directory = join(folder.path, name)
  await mkdir(directory)
  const url = await startTcpServer((socket) => {
    socket.once('data', () => socket.write(Buffer.concat(sent), () => end(socket)))
  })
  const to = join(directory, 'page.html')
  const download = clientOf({ timeoutMs: 1_000 }).artifacts.download(url, { to, sha256 })
  const settled = download.then(
    () => 'whole',
    (error: unknown) => (isScrapeNestError(error) ? error.code : String(error)),
  )
  const outcome = await Promise.race([settled, sleep(6_000, 'never settled', { ref: false })])
  return [outcome, await readdir(directory)]
}

describe('a download settles in time and leaves no file, however its response ends', () => {
  const cases = framings.flatMap((framing) => codings.map(([coding, encoded]) => [framing, coding, encoded] as const))

  it.each(cases)('%s, %s', { timeout: 10_000 }, async (framing, coding, encoded) => {
    const endings = endingsOf(framing, coding, encoded)
    const settled = await Promise.all(endings.map(async (ending) => [ending.name, await downloadEnding(ending)]))

    const expected = endings.map(({ name, outcome }) => [name, [outcome, outcome === 'whole' ? ['page.html'] : []]])
    expect(Object.fromEntries(settled)).toEqual(Object.fromEntries(expected))
    expect(await readFile(join(folder.path, 'whole', 'page.html'))).toEqual(bytes)
    expect(endings).toHaveLength(framing === 'chunked' ? 22 : 16)
  })
})

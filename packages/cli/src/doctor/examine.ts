import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { awkwardBody, plainBody } from './probe-bodies.ts'
import { type Probe, type ProbeReply, sendProbe } from './send-probe.ts'

export interface ExamineOptions {
  readonly url: string
  readonly secret: string
  /** The largest body that the server must accept. */
  readonly bodyBytes: number
  readonly timeoutMs: number
  readonly onProgress: (done: number, total: number, probe: string) => void
}

/** The reply to each probe. */
export type Replies = Readonly<Record<ProbeName, ProbeReply>> & {
  /** Replies to large bodies, smallest first. */
  readonly sizes: readonly { readonly byteLength: number; readonly reply: ProbeReply }[]
}

/**
 * - `exact`: signed now; parsing and serializing would change the body
 * - `plain`: signed now; parsing and serializing would not change the body
 * - `empty`: signed now; the body is `{}`, which is not an event and survives any serialization
 * - `unsigned`, `forged`: without a signature; signed with another secret
 * - `past`, `future`: signed ten minutes ago; signed ten minutes from now
 * - `altered`: one letter of the body was changed after signing
 * - `compressed`: gzip after signing, with a content-encoding
 * - `chunked`: without a content-length
 * - `get`: a GET request
 */
type ProbeName =
  | 'exact'
  | 'plain'
  | 'empty'
  | 'unsigned'
  | 'forged'
  | 'past'
  | 'future'
  | 'altered'
  | 'compressed'
  | 'chunked'
  | 'get'

/** Twice the usual tolerance. */
const tenMinutesSeconds = 600

/** Sends the probes one after the other. No handler runs. */
export async function examine(options: ExamineOptions): Promise<Replies> {
  const probes = Object.entries(probesWith(options.secret)) as [ProbeName, Probe][]
  const lengths = bodyLengths(options.bodyBytes)
  const total = probes.length + lengths.length
  const replies: Partial<Record<ProbeName, ProbeReply>> = {}
  for (const [index, [name, probe]] of probes.entries()) {
    options.onProgress(index, total, name)
    replies[name] = await sendProbe(options.url, probe, options.timeoutMs)
  }
  const sizes: { byteLength: number; reply: ProbeReply }[] = []
  for (const [index, byteLength] of lengths.entries()) {
    options.onProgress(probes.length + index, total, `${byteLength} bytes`)
    const probe = { body: plainBody({ byteLength }), secret: options.secret }
    sizes.push({ byteLength, reply: await sendProbe(options.url, probe, options.timeoutMs) })
  }
  options.onProgress(total, total, '')
  return { ...(replies as Record<ProbeName, ProbeReply>), sizes }
}

function probesWith(secret: string): Record<ProbeName, Probe> {
  const body = plainBody()
  return {
    exact: { body: awkwardBody(), secret },
    plain: { body: plainBody(), secret },
    empty: { body: Buffer.from('{}'), secret },
    unsigned: { body: plainBody() },
    forged: { body: plainBody(), secret: `whsec_${randomBytes(32).toString('base64')}` },
    past: { body: plainBody(), secret, offsetSeconds: -tenMinutesSeconds },
    future: { body: plainBody(), secret, offsetSeconds: tenMinutesSeconds },
    altered: { body, secret, sentBody: Buffer.from(body.toString().replace('"doctor"', '"doctos"')) },
    compressed: { body, secret, sentBody: gzipSync(body), headers: { 'content-encoding': 'gzip' } },
    chunked: { body: plainBody(), secret, isChunked: true },
    get: { body: Buffer.alloc(0), method: 'GET' },
  }
}

/** Chosen so that common limits of parsers and proxies lie in between. */
function bodyLengths(largest: number): readonly number[] {
  const smaller = [10_000, 100_000, 150_000, 250_000, 500_000].filter((byteLength) => byteLength < largest)
  return [...smaller, largest]
}

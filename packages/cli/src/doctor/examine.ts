import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { awkwardBody, plainBody } from './probe-event.ts'
import { isSuccess, type Probe, type ProbeReply, sendProbe } from './send-probe.ts'

export interface ExamineOptions {
  readonly url: string
  readonly secret: string
  /** The longest body the server should take. */
  readonly bodyBytes: number
  readonly timeoutMs: number
  readonly onProgress: (done: number, total: number, what: string) => void
}

/** What the server answered to each probe. */
export type Answers = Readonly<Record<ProbeName, ProbeReply>> & {
  /** The longest bodies tried, shortest first, with the answer to each. */
  readonly sizes: readonly { readonly byteLength: number; readonly reply: ProbeReply }[]
}

/**
 * - `exact`: signed now, over bytes that no parser gives back as they were
 * - `plain`: signed now, over what parsing and writing anew gives back as it was
 * - `empty`: signed now, over `{}`, which nothing changes; no event
 * - `unsigned`, `forged`: without a signature, and with another secret's
 * - `past`, `future`: signed ten minutes ago, and ten minutes from now
 * - `altered`: a letter of the body changed after signing
 * - `compressed`: with a content-encoding, signed over the uncompressed bytes
 * - `chunked`: without a content-length
 * - `get`: a GET
 */
export type ProbeName =
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

export const tenMinutesSeconds = 600

/** Sends every probe, one after the other. None runs a handler; an inbox keeps those that are accepted as unhandled. */
export async function examine(options: ExamineOptions): Promise<Answers> {
  const probes = Object.entries(probesFor(options.secret)) as [ProbeName, Probe][]
  const lengths = [10_000, 100_000, 150_000, 250_000, 500_000, options.bodyBytes]
    .filter((byteLength) => byteLength <= options.bodyBytes)
    .toSorted((one, other) => one - other)
  const total = probes.length + lengths.length
  const answers: Partial<Record<ProbeName, ProbeReply>> = {}
  for (const [index, [name, probe]] of probes.entries()) {
    options.onProgress(index, total, name)
    answers[name] = await sendProbe(options.url, probe, options.timeoutMs)
  }
  const sizes: { byteLength: number; reply: ProbeReply }[] = []
  for (const [index, byteLength] of [...new Set(lengths)].entries()) {
    options.onProgress(probes.length + index, total, `${byteLength} bytes`)
    const probe = { body: plainBody({ byteLength }), secret: options.secret }
    sizes.push({ byteLength, reply: await sendProbe(options.url, probe, options.timeoutMs) })
  }
  options.onProgress(total, total, '')
  return { ...(answers as Record<ProbeName, ProbeReply>), sizes }
}

function probesFor(secret: string): Record<ProbeName, Probe> {
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

/** How an answer reads in a report. */
export function describeReply(reply: ProbeReply): string {
  if (reply.status === undefined) return reply.failure ?? 'no answer'
  return reply.code === undefined ? String(reply.status) : `${reply.status} ${reply.code}`
}

export function isRefusal(reply: ProbeReply): boolean {
  return !isSuccess(reply)
}

import type { Replies } from './examine.ts'
import { describeReply, isSuccess, type ProbeReply } from './send-probe.ts'

export interface Finding {
  /** Stable across releases. */
  readonly id: FindingId
  /** `fault`: deliveries are lost, or forgeries accepted. `note`: worth knowing, and may be intended. */
  readonly verdict: 'ok' | 'note' | 'fault'
  readonly summary: string
  /** What to do about it. */
  readonly fix?: string
}

export type FindingId =
  | 'body_limit'
  | 'body_reserialized'
  | 'certificate_untrusted'
  | 'clock_off'
  | 'compressed_bodies'
  | 'get_requests'
  | 'not_verified'
  | 'parser_first'
  | 'raw_bytes'
  | 'redirected'
  | 'reply_time'
  | 'store_unavailable'
  | 'timestamps'
  | 'unchunked_only'
  | 'unexpected_reply'
  | 'unreachable'
  | 'wrong_secret'

const slowMs = 5_000

/** Explains the replies. The first finding is the fault that explains most of the others. */
export function diagnose(replies: Replies): readonly Finding[] {
  const { exact } = replies
  if (exact.status === undefined) return [isCertificateError(exact) ? untrusted(exact) : unreachable(exact)]
  const acceptance = diagnoseAcceptance(replies)
  const findings = [acceptance, ...diagnoseVerification(replies)]
  // The limits of a server that accepts nothing are unknown.
  if (acceptance.verdict === 'ok') findings.push(...diagnoseLimits(replies))
  return findings
}

/** Codes of OpenSSL and Node, such as DEPTH_ZERO_SELF_SIGNED_CERT and UNABLE_TO_VERIFY_LEAF_SIGNATURE. */
function isCertificateError({ failure = '' }: ProbeReply): boolean {
  return /CERT|^UNABLE_TO_(?:GET|VERIFY)/.test(failure)
}

function untrusted(reply: ProbeReply): Finding {
  return {
    id: 'certificate_untrusted',
    verdict: 'fault',
    summary: `The TLS certificate of the server is not trusted: ${describeReply(reply)}.`,
    fix: 'Serve a valid certificate with its whole chain. If a private CA signed it, NODE_EXTRA_CA_CERTS makes this command trust it, but not ScrapeNest.',
  }
}

function unreachable(reply: ProbeReply): Finding {
  return {
    id: 'unreachable',
    verdict: 'fault',
    summary: `No reply from the server: ${describeReply(reply)}.`,
    fix: 'Check the URL, that the server is running, and that no firewall or allowlist blocks this machine.',
  }
}

/** Whether a correctly signed delivery is accepted. If not, the pattern of the other replies shows why. */
function diagnoseAcceptance(replies: Replies): Finding {
  const { exact, plain, empty, past, future } = replies
  if (isSuccess(exact)) {
    return { id: 'raw_bytes', verdict: 'ok', summary: 'A signed delivery is accepted, over its exact bytes.' }
  }
  if (exact.code === 'store_unavailable') return storeUnavailable(exact)
  if (exact.code === 'raw_body_unavailable') {
    return {
      id: 'parser_first',
      verdict: 'fault',
      summary: 'The body is parsed before the webhook handler, so the signed bytes are lost.',
      fix: "Register the handler before the JSON parser, or let the parser keep the bytes. The server's log names the fix. docs/guides/raw-bodies.md",
    }
  }
  if (exact.code === 'timestamp_outside_tolerance' || isSuccess(future) || isSuccess(past)) return clockOff(replies)
  if (isSuccess(plain)) return reserialized()
  // `{}` stays the same when it is serialized again: a server that finds its signature valid knows our secret.
  if (empty.code === 'envelope_invalid') return reserialized()
  if (exact.code === 'signature_mismatch' || exact.status === 400 || exact.status === 401 || exact.status === 403) {
    return {
      id: 'wrong_secret',
      verdict: 'fault',
      summary: `No signature matches (${describeReply(exact)}): the server uses a different secret.`,
      fix: 'Compare SCRAPENEST_WEBHOOK_SECRET on the server with the secret of the endpoint. It is shown once; rotate to get a new one.',
    }
  }
  if (exact.location !== undefined) {
    return {
      id: 'redirected',
      verdict: 'fault',
      summary: `A signed delivery is redirected (${describeReply(exact)}) to ${exact.location}.`,
      fix: 'Register the address that the redirect leads to: deliveries must reach the handler directly.',
    }
  }
  if (exact.status === 404) {
    return {
      id: 'unexpected_reply',
      verdict: 'fault',
      summary: 'There is no webhook handler at this path: a signed delivery is answered 404.',
      fix: 'Check the path of the URL, the path of the handler and any prefix, and that the route takes POST requests.',
    }
  }
  return {
    id: 'unexpected_reply',
    verdict: 'fault',
    summary: `A signed delivery is answered ${describeReply(exact)}.`,
    fix: "ScrapeNest retries everything that is not 2xx. Check the path and the server's log.",
  }
}

/** The store is used only after a signature has matched, so the bytes are intact. */
function storeUnavailable(reply: ProbeReply): Finding {
  return {
    id: 'store_unavailable',
    verdict: 'fault',
    summary: `The server keeps raw bytes, but its store is unavailable: it answers ${describeReply(reply)}.`,
    fix: "The server's log has the error: a file or database that is unreachable, read-only, full or locked. docs/errors/store_unavailable.md",
  }
}

function reserialized(): Finding {
  return {
    id: 'body_reserialized',
    verdict: 'fault',
    summary: 'The body is parsed and serialized again in transit: only plain JSON keeps a valid signature.',
    fix: 'Find the proxy, gateway or middleware that rewrites JSON, and make it forward the bytes unchanged. docs/guides/raw-bodies.md',
  }
}

function clockOff({ exact, past, future }: Replies): Finding {
  const { clockOffsetSeconds } = exact
  const offset =
    clockOffsetSeconds === undefined
      ? ''
      : ` Its Date header is ${clockOffsetSeconds} s from the clock of this machine.`
  let direction = ''
  if (isSuccess(future)) direction = ', ahead by about ten minutes'
  else if (isSuccess(past)) direction = ', behind by about ten minutes'
  return {
    id: 'clock_off',
    verdict: 'fault',
    summary: `A delivery signed just now is outside the tolerance: the clock of the server is off${direction}.${offset}`,
    fix: 'Synchronize the clocks (NTP) of the server and of this machine. A longer tolerance would only hide the problem.',
  }
}

/** Whether unsigned, modified and old deliveries are refused. A server that refuses genuine ones too proves nothing. */
function diagnoseVerification(replies: Replies): readonly Finding[] {
  const { unsigned, forged, altered, exact, plain } = replies
  const accepted = Object.entries({
    'without a signature': unsigned,
    "with another secret's signature": forged,
    'with a modified body': altered,
  })
    .filter(([, reply]) => isSuccess(reply))
    .map(([kind]) => kind)
  if (accepted.length > 0) {
    return [
      {
        id: 'not_verified',
        verdict: 'fault',
        summary: `The server accepts deliveries ${accepted.join(', ')}: anyone can send it events.`,
        fix: 'Verify the signature before anything else. docs/guides/verifying.md',
      },
    ]
  }
  if (!isSuccess(exact) && !isSuccess(plain)) return []
  const summary = 'Unsigned, forged and modified deliveries are refused.'
  const verified: Finding = { id: 'not_verified', verdict: 'ok', summary }
  return isSuccess(exact) ? [verified, diagnoseTimestamps(replies)] : [verified]
}

function diagnoseTimestamps({ past, future }: Replies): Finding {
  if (isSuccess(past) || isSuccess(future)) {
    return {
      id: 'timestamps',
      verdict: 'fault',
      summary: 'A delivery signed ten minutes ago or from now is accepted: a captured one can be replayed.',
      fix: 'Refuse timestamps that are more than 300 s from the clock.',
    }
  }
  return { id: 'timestamps', verdict: 'ok', summary: 'Deliveries signed ten minutes ago or from now are refused.' }
}

function diagnoseLimits({ sizes, compressed, chunked, get, exact }: Replies): readonly Finding[] {
  return [
    bodyLimit(sizes),
    isSuccess(chunked)
      ? { id: 'unchunked_only', verdict: 'ok', summary: 'A body without content-length is accepted.' }
      : {
          id: 'unchunked_only',
          verdict: 'note',
          summary: `A body without content-length is answered ${describeReply(chunked)}.`,
        },
    isSuccess(compressed)
      ? {
          id: 'compressed_bodies',
          verdict: 'note',
          summary: 'A compressed body is decompressed before it is verified: anyone can send a decompression bomb.',
          fix: 'Refuse requests with a content-encoding at this path (415).',
        }
      : {
          id: 'compressed_bodies',
          verdict: 'ok',
          summary: `A compressed body is refused (${describeReply(compressed)}).`,
        },
    replyTime(exact),
    {
      id: 'get_requests',
      verdict: isSuccess(get) ? 'note' : 'ok',
      summary: `A GET request is answered ${describeReply(get)}.`,
    },
  ]
}

function bodyLimit(sizes: Replies['sizes']): Finding {
  const refused = sizes.find(({ reply }) => !isSuccess(reply))
  if (refused === undefined) {
    const largest = sizes.at(-1)?.byteLength ?? 0
    return { id: 'body_limit', verdict: 'ok', summary: `Bodies of up to ${largest} bytes are accepted.` }
  }
  const accepted = sizes.filter(({ reply }) => isSuccess(reply)).at(-1)?.byteLength ?? 0
  return {
    id: 'body_limit',
    verdict: 'fault',
    summary: `A body of ${refused.byteLength} bytes is answered ${describeReply(refused.reply)}; ${accepted} bytes are accepted.`,
    fix: 'Raise maxBodyBytes and the limit of the proxy in front (nginx: client_max_body_size). --body-bytes sets the expected limit.',
  }
}

function replyTime({ latencyMs }: ProbeReply): Finding {
  const summary = `The reply takes ${latencyMs} ms; ScrapeNest waits 10 s.`
  if (latencyMs < slowMs) return { id: 'reply_time', verdict: 'ok', summary }
  return {
    id: 'reply_time',
    verdict: 'note',
    summary,
    fix: 'Store the event and process it after the reply. docs/guides/slow-handlers.md',
  }
}

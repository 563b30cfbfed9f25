import type { Answers } from './examine.ts'
import { describeReply, isRefusal } from './examine.ts'
import { isSuccess, type ProbeReply } from './send-probe.ts'

/** One thing that was looked at. */
export interface Finding {
  /** Stable across releases. */
  readonly id: FindingId
  /** `fault`: deliveries are lost or forgeries accepted. `note`: worth knowing, and may be meant so. */
  readonly verdict: 'ok' | 'note' | 'fault'
  readonly summary: string
  /** What to do about it. */
  readonly fix?: string
}

export type FindingId =
  | 'body_limit'
  | 'body_reserialized'
  | 'clock_off'
  | 'compressed_bodies'
  | 'get_requests'
  | 'not_verified'
  | 'parser_first'
  | 'raw_bytes'
  | 'reply_time'
  | 'store_unavailable'
  | 'timestamps'
  | 'unchunked_only'
  | 'unexpected_reply'
  | 'unreachable'
  | 'wrong_secret'

const slowMs = 5_000

/** Says what the answers mean: the one fault that explains most first, and then the rest of what can be told. */
export function diagnose(answers: Answers): readonly Finding[] {
  const { exact } = answers
  if (exact.status === undefined) return [unreachable(exact)]
  const acceptance = diagnoseAcceptance(answers)
  const findings = [acceptance, ...diagnoseVerification(answers)]
  // A server that accepts nothing tells nothing about its limits.
  if (acceptance.verdict === 'ok') findings.push(...diagnoseLimits(answers))
  return findings
}

function unreachable(reply: ProbeReply): Finding {
  return {
    id: 'unreachable',
    verdict: 'fault',
    summary: `The server did not answer: ${describeReply(reply)}.`,
    fix: 'Check the URL, that the server runs, and that a firewall or an allowlist lets this machine in.',
  }
}

/** Is a well-signed delivery accepted? If not, the pattern of the other answers tells why. */
function diagnoseAcceptance(answers: Answers): Finding {
  const { exact, plain, empty, past, future } = answers
  if (isSuccess(exact)) {
    return { id: 'raw_bytes', verdict: 'ok', summary: 'A signed delivery is accepted, over its exact bytes.' }
  }
  if (exact.code === 'store_unavailable') return storeUnavailable(exact)
  if (exact.code === 'raw_body_unavailable') {
    return {
      id: 'parser_first',
      verdict: 'fault',
      summary: 'Something parses the body before the webhook handler, so the signed bytes are gone.',
      fix: "Register the handler before the JSON parser, or have the parser keep the bytes; the server's log names the line. docs/guides/raw-bodies.md",
    }
  }
  if (exact.code === 'timestamp_outside_tolerance' || isSuccess(future) || isSuccess(past)) return clockOff(answers)
  if (isSuccess(plain)) return reserialized()
  // `{}` is the same however it is written: whoever finds its signature right has our secret, and had other bytes before.
  if (empty.code === 'envelope_invalid') return reserialized()
  if (exact.code === 'signature_mismatch' || exact.status === 400 || exact.status === 401 || exact.status === 403) {
    return {
      id: 'wrong_secret',
      verdict: 'fault',
      summary: `No signature matches (${describeReply(exact)}): the server has another secret than the one given here.`,
      fix: "Compare SCRAPENEST_WEBHOOK_SECRET on the server with the endpoint's secret. It is shown once; rotating gives a new one.",
    }
  }
  return {
    id: 'unexpected_reply',
    verdict: 'fault',
    summary: `A signed delivery is answered ${describeReply(exact)}.`,
    fix: 'ScrapeNest sends again whatever is not 2xx. Check the path, and what the server logs.',
  }
}

/** The store is asked only once a signature has matched: the bytes are in order. */
function storeUnavailable(reply: ProbeReply): Finding {
  return {
    id: 'store_unavailable',
    verdict: 'fault',
    summary: `The server keeps raw bytes, but its store does not work: it answers ${describeReply(reply)}.`,
    fix: "The server's log has the error of the store: a file or a database that cannot be reached or written, or that is full or locked. docs/errors/store_unavailable.md",
  }
}

function reserialized(): Finding {
  return {
    id: 'body_reserialized',
    verdict: 'fault',
    summary: 'The body is parsed and written anew on its way: only JSON in its plainest form keeps its signature.',
    fix: 'Look for a proxy, gateway or middleware that rewrites JSON, and have it pass the bytes as they are. docs/guides/raw-bodies.md',
  }
}

function clockOff({ exact, past, future }: Answers): Finding {
  const side = isSuccess(future)
    ? ', ahead by about ten minutes'
    : isSuccess(past)
      ? ', behind by about ten minutes'
      : ''
  const { clockOffsetSeconds } = exact
  const date =
    clockOffsetSeconds === undefined ? '' : ` Its Date header is ${clockOffsetSeconds} s from this machine's clock.`
  return {
    id: 'clock_off',
    verdict: 'fault',
    summary: `A delivery signed just now is outside the time window: the server's clock is off${side}.${date}`,
    fix: 'Synchronise the clocks (NTP) of the server and of this machine. A longer tolerance would only hide it.',
  }
}

/** Is what is not signed, or not any more, refused? */
function diagnoseVerification({ unsigned, forged, altered, past, future, exact }: Answers): readonly Finding[] {
  const accepted = Object.entries({
    'without a signature': unsigned,
    "with another secret's signature": forged,
    'with an altered body': altered,
  })
    .filter(([, reply]) => isSuccess(reply))
    .map(([what]) => what)
  if (accepted.length > 0) {
    return [
      {
        id: 'not_verified',
        verdict: 'fault',
        summary: `The server accepts deliveries ${accepted.join(', ')}: anybody can send it events.`,
        fix: 'Verify the signature before anything else. docs/guides/verifying.md',
      },
    ]
  }
  const findings: Finding[] = [
    { id: 'not_verified', verdict: 'ok', summary: 'Unsigned, forged and altered deliveries are refused.' },
  ]
  if (!isSuccess(exact)) return findings
  const isReplayable = isSuccess(past) || isSuccess(future)
  findings.push(
    isReplayable
      ? {
          id: 'timestamps',
          verdict: 'fault',
          summary: 'A delivery signed ten minutes ago or from now is accepted: a captured one can be replayed.',
          fix: 'Refuse timestamps that are more than 300 s from the clock.',
        }
      : { id: 'timestamps', verdict: 'ok', summary: 'Deliveries signed ten minutes ago, or from now, are refused.' },
  )
  return findings
}

function diagnoseLimits({ sizes, compressed, chunked, get, exact }: Answers): readonly Finding[] {
  return [
    bodyLimit(sizes),
    isSuccess(chunked)
      ? { id: 'unchunked_only', verdict: 'ok', summary: 'A body without a content-length is accepted.' }
      : {
          id: 'unchunked_only',
          verdict: 'note',
          summary: `A body without a content-length is answered ${describeReply(chunked)}.`,
        },
    isRefusal(compressed)
      ? {
          id: 'compressed_bodies',
          verdict: 'ok',
          summary: `A compressed body is refused (${describeReply(compressed)}).`,
        }
      : {
          id: 'compressed_bodies',
          verdict: 'note',
          summary:
            'A compressed body is inflated before it is verified: a stranger can make the server inflate a bomb.',
          fix: 'Refuse requests with a content-encoding at this path (415).',
        },
    replyTime(exact),
    {
      id: 'get_requests',
      verdict: isRefusal(get) ? 'ok' : 'note',
      summary: `A GET is answered ${describeReply(get)}.`,
    },
  ]
}

function bodyLimit(sizes: Answers['sizes']): Finding {
  const refused = sizes.find(({ reply }) => isRefusal(reply))
  if (refused === undefined) {
    return {
      id: 'body_limit',
      verdict: 'ok',
      summary: `Bodies up to ${sizes.at(-1)?.byteLength ?? 0} bytes are accepted.`,
    }
  }
  const accepted = sizes.filter(({ reply }) => isSuccess(reply)).at(-1)?.byteLength ?? 0
  return {
    id: 'body_limit',
    verdict: 'fault',
    summary: `A body of ${refused.byteLength} bytes is answered ${describeReply(refused.reply)}; ${accepted} bytes are accepted.`,
    fix: 'Raise maxBodyBytes, and the limit of the proxy before it (nginx: client_max_body_size). --body-bytes sets what is expected.',
  }
}

function replyTime({ latencyMs }: ProbeReply): Finding {
  if (latencyMs < slowMs)
    return { id: 'reply_time', verdict: 'ok', summary: `The answer takes ${latencyMs} ms; ScrapeNest waits 10 s.` }
  return {
    id: 'reply_time',
    verdict: 'note',
    summary: `The answer takes ${latencyMs} ms; ScrapeNest waits 10 s.`,
    fix: 'Store the event and work afterwards. docs/guides/slow-handlers.md',
  }
}

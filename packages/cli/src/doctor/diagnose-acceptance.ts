import { pageUrl } from '@scrapenest-webhooks/core/adapter'
import type { Replies } from './examine.ts'
import type { Finding } from './finding.ts'
import { describeReply, isSuccess, type ProbeReply } from './send-probe.ts'

/** Whether a correctly signed delivery is accepted. If not, the other replies show why. */
export function diagnoseAcceptance(replies: Replies): Finding {
  const { exact, plain, empty, past, future } = replies
  if (isSuccess(exact)) {
    return {
      id: 'raw_bytes',
      verdict: 'ok',
      summary: 'A signed delivery is accepted and verified over its exact bytes.',
    }
  }
  if (exact.code === 'store_unavailable') return storeUnavailable(exact)
  if (exact.code === 'raw_body_unavailable') {
    return {
      id: 'parser_first',
      verdict: 'fault',
      summary: 'The body is parsed before the webhook handler, so the signed bytes are lost.',
      fix: `Register the handler before the JSON parser, or make the parser keep the bytes. The server's log names the fix. ${pageUrl('guides/raw-bodies.md')}`,
    }
  }
  if (exact.code === 'timestamp_outside_tolerance' || isSuccess(future) || isSuccess(past)) return clockOff(replies)
  if (isSuccess(plain)) return reserialized()
  // Serializing `{}` again does not change it, so a server that accepts its signature has our secret.
  if (empty.code === 'envelope_invalid') return reserialized()
  if (exact.code === 'signature_mismatch' || exact.status === 400 || exact.status === 401 || exact.status === 403) {
    return {
      id: 'wrong_secret',
      verdict: 'fault',
      summary: `No signature matches (${describeReply(exact)}): the server uses a different secret.`,
      fix: "Compare SCRAPENEST_WEBHOOK_SECRET on the server with the endpoint's secret. If you no longer have that one, rotate it.",
    }
  }
  if (exact.location !== undefined) {
    return {
      id: 'redirected',
      verdict: 'fault',
      summary: `A signed delivery is redirected (${describeReply(exact)}) to ${exact.location}.`,
      fix: 'Register the URL that the redirect leads to, because redirects are not followed.',
    }
  }
  if (exact.status === 404) {
    return {
      id: 'unexpected_reply',
      verdict: 'fault',
      summary: 'There is no webhook handler at this path: a signed delivery is answered 404.',
      fix: "Check the URL's path, the handler's path, any prefix or trailing slash, and whether the route accepts POST requests.",
    }
  }
  return {
    id: 'unexpected_reply',
    verdict: 'fault',
    summary: `A signed delivery is answered ${describeReply(exact)}.`,
    fix: "ScrapeNest retries everything that is not 2xx. Check the path and the server's log.",
  }
}

/** The store is only used after a signature has matched, so the bytes are intact. */
function storeUnavailable(reply: ProbeReply): Finding {
  return {
    id: 'store_unavailable',
    verdict: 'fault',
    summary: `The server keeps raw bytes, but its store is unavailable (${describeReply(reply)}).`,
    fix: `The server's log shows the error, such as a file or database that is unreachable, read-only, full or locked. ${pageUrl('errors/store_unavailable.md')}`,
  }
}

function reserialized(): Finding {
  return {
    id: 'body_reserialized',
    verdict: 'fault',
    summary: 'The JSON is parsed and serialized again in transit, which invalidates most signatures.',
    fix: `Find the proxy, gateway or middleware that rewrites JSON, and make it forward the bytes unchanged. ${pageUrl('guides/raw-bodies.md')}`,
  }
}

function clockOff({ exact, past, future }: Replies): Finding {
  const { clockOffsetSeconds } = exact
  const offset =
    clockOffsetSeconds === undefined
      ? ''
      : ` Its Date header differs from this machine's clock by ${clockOffsetSeconds} s.`
  let direction = ''
  if (isSuccess(future)) direction = ', ahead by about ten minutes'
  else if (isSuccess(past)) direction = ', behind by about ten minutes'
  return {
    id: 'clock_off',
    verdict: 'fault',
    summary: `A delivery signed just now is outside the tolerance: the server's clock is wrong${direction}.${offset}`,
    fix: 'Synchronize the clocks of the server and this machine (NTP). A longer tolerance would only hide the problem.',
  }
}

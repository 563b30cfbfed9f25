import { pageUrl } from '@scrapenest-webhooks/core/adapter'
import type { Replies } from './examine.ts'
import type { Finding } from './finding.ts'
import { describeReply, isSuccess, type ProbeReply } from './send-probe.ts'

const slowMs = 5_000

/** What a server accepts besides plain deliveries, and how fast it replies. */
export function diagnoseLimits({ sizes, compressed, chunked, get, exact }: Replies): readonly Finding[] {
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
          summary:
            'Compressed bodies are decompressed before they are verified, so anyone can send a decompression bomb.',
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
    fix: 'Raise maxBodyBytes and the limit of any proxy in front (nginx: client_max_body_size), or lower the expected limit with --body-bytes.',
  }
}

function replyTime({ latencyMs }: ProbeReply): Finding {
  const summary = `The reply takes ${latencyMs} ms. ScrapeNest waits 10 s.`
  if (latencyMs < slowMs) return { id: 'reply_time', verdict: 'ok', summary }
  return {
    id: 'reply_time',
    verdict: 'note',
    summary,
    fix: `Store the event and process it after the reply. ${pageUrl('guides/slow-handlers.md')}`,
  }
}

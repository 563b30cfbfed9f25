import { pageUrl } from '@scrapenest-webhooks/core/adapter'
import type { Replies } from './examine.ts'
import type { Finding } from './finding.ts'
import { isSuccess } from './send-probe.ts'

/** Whether unsigned, modified and old deliveries are refused. Proves nothing if genuine deliveries are refused too. */
export function diagnoseVerification(replies: Replies): readonly Finding[] {
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
        summary: `The server accepts deliveries ${accepted.join(', ')}, so anyone can send it events.`,
        fix: `Verify the signature before any other step. ${pageUrl('guides/verifying.md')}`,
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
      summary: 'A delivery signed ten minutes ago or from now is accepted, so captured deliveries can be replayed.',
      fix: 'Refuse timestamps that differ from the clock by more than 300 s.',
    }
  }
  return { id: 'timestamps', verdict: 'ok', summary: 'Deliveries signed ten minutes ago or from now are refused.' }
}

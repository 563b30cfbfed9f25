import { diagnoseAcceptance } from './diagnose-acceptance.ts'
import { diagnoseLimits } from './diagnose-limits.ts'
import { diagnoseVerification } from './diagnose-verification.ts'
import type { Replies } from './examine.ts'
import type { Finding } from './finding.ts'
import { describeReply, type ProbeReply } from './send-probe.ts'

/** Explains the replies. If there are faults, the first explains most of the others. */
export function diagnose(replies: Replies): readonly Finding[] {
  const { exact } = replies
  if (exact.status === undefined) return [isCertificateError(exact) ? untrusted(exact) : unreachable(exact)]
  const acceptance = diagnoseAcceptance(replies)
  const findings = [acceptance, ...diagnoseVerification(replies)]
  // If the server accepts no delivery, its limits are unknown.
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
    summary: `The server's TLS certificate is not trusted: ${describeReply(reply)}.`,
    fix: 'Serve a valid certificate with its full chain. For a private CA, NODE_EXTRA_CA_CERTS makes this command trust it, but ScrapeNest still will not.',
  }
}

function unreachable(reply: ProbeReply): Finding {
  return {
    id: 'unreachable',
    verdict: 'fault',
    summary: `No reply from the server: ${describeReply(reply)}.`,
    fix: 'Check the URL, whether the server is running, and whether a firewall or allowlist blocks this machine.',
  }
}

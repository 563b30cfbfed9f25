import { causesOf, systemCodeOf } from './system-code.ts'

/** Reasons for TLS to reject a certificate: Node's "X509 certificate error codes", and the host name check. */
const certificateCodes: ReadonlySet<string> = new Set([
  'CERT_CHAIN_TOO_LONG',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REJECTED',
  'CERT_REVOKED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'CRL_HAS_EXPIRED',
  'CRL_NOT_YET_VALID',
  'CRL_SIGNATURE_FAILURE',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERROR_IN_CERT_NOT_AFTER_FIELD',
  'ERROR_IN_CERT_NOT_BEFORE_FIELD',
  'ERROR_IN_CRL_LAST_UPDATE_FIELD',
  'ERROR_IN_CRL_NEXT_UPDATE_FIELD',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
  'UNABLE_TO_DECRYPT_CRL_SIGNATURE',
  'UNABLE_TO_GET_CRL',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/** What to do about a connection failure that retries cannot fix. `undefined` for other failures. */
export function permanentFailureAdvice(cause: unknown): string | undefined {
  if (certificateCodes.has(systemCodeOf(cause) ?? '')) {
    return (
      "The server's certificate was rejected. " +
      'If a proxy re-signs TLS, set NODE_EXTRA_CA_CERTS to the certificate of its CA.'
    )
  }
  if (isBlockedPort(cause)) return 'fetch does not connect to this port. Use another port or a custom fetch.'
  return undefined
}

/** fetch blocks some ports, such as 6667 (https://fetch.spec.whatwg.org/#port-blocking). Node's error has no code. */
function isBlockedPort(error: unknown): boolean {
  return causesOf(error)[1]?.message === 'bad port'
}

export interface Finding {
  /** Stable across releases. */
  readonly id: FindingId
  /** `fault`: deliveries are lost, or forgeries are accepted. `note`: worth knowing, but may be intended. */
  readonly verdict: 'ok' | 'note' | 'fault'
  readonly summary: string
  /** What to do about it. */
  readonly fix?: string
}

type FindingId =
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

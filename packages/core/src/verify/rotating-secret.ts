import { inspect } from 'node:util'
import { checkHooks, checkWholeNumber, ownProperties, unexpected } from '../check.ts'
import { isUnsetSecret, maxSecrets, parseSecrets, type Secret, type SecretResult } from './secret.ts'

/** The options of `rotatingSecret`. */
export interface RotatingSecretOptions {
  /**
   * Reads the secret from its source: a file, a database, a secret manager. A list is authoritative: secrets missing from
   * it are refused immediately.
   */
  readonly load: () => SecretResult | Promise<SecretResult>
  /**
   * How long earlier secrets are accepted after `load` returns a single new one, in milliseconds.
   * @default 86400000 (a day): a longer overlap also keeps a leaked secret valid for longer
   */
  readonly overlapMs?: number
  /**
   * Maximum age of the secrets before `load` is called again, in milliseconds.
   * @default 60000 (a minute): a lower value picks up changes sooner and calls `load` more often
   */
  readonly maxAgeMs?: number
  /**
   * Minimum time between two calls of `load`, in milliseconds. A forged delivery mismatches too, and must not
   * trigger a call each time.
   * @default 1000: during a flood of forgeries, `load` is called once a second
   */
  readonly minIntervalMs?: number
  /**
   * Called when `load` fails or returns an invalid secret, once per outage; the earlier secrets stay in use. If there
   * are none, deliveries fail and the receiver reports it instead.
   * @default a process warning
   */
  readonly onError?: (error: unknown) => unknown
  /** The clock, in milliseconds since 1970. @default Date.now */
  readonly now?: () => number
}

/** Two options for a receiver: spread them into its options. */
export interface RotatingSecret {
  /** Pass it as the receiver's `secret`. */
  readonly secret: () => Promise<readonly Secret[]>
  /** Pass it as the receiver's `onDelivery`: after a mismatch it reloads the secret, so that the sender's retry passes. */
  readonly onDelivery: (outcome: { readonly result: string }) => void
}

/**
 * Options for a receiver whose secret can be rotated while deliveries arrive. A signature that matches no known secret
 * triggers `load` immediately, at most every `minIntervalMs`. Once a secret is known, no delivery waits for `load`: anyone
 * can cause a mismatch, which must not delay genuine deliveries.
 *
 * If ScrapeNest signs with both secrets during the rotation, no delivery is refused. If it switches without an overlap,
 * deliveries that arrive before the reload are refused, and pass when ScrapeNest retries them.
 *
 * @throws {ConfigurationError} `configuration_invalid`: `load` or a hook is not a function, or a duration is not a whole
 * number.
 *
 * @example
 * const load = async () => (await readFile('/run/secrets/scrapenest', 'utf8')).trim()
 * await app.register(scrapenestWebhooks, { path, ...rotatingSecret({ load }), onEvent })
 */
export function rotatingSecret(options: RotatingSecretOptions): RotatingSecret {
  // Own properties only: a polluted `Object.prototype` must not keep a replaced secret valid for longer.
  const own = ownProperties(options)
  const { load, onError = warn, now = () => Date.now() } = own
  if (typeof load !== 'function') throw unexpected('load', load, 'a function')
  checkHooks(own, ['onError'])
  const overlapMs = checkWholeNumber('overlapMs', own.overlapMs ?? 86_400_000, { min: 0 })
  const maxAgeMs = checkWholeNumber('maxAgeMs', own.maxAgeMs ?? 60_000, { min: 0 })
  const minIntervalMs = checkWholeNumber('minIntervalMs', own.minIntervalMs ?? 1_000, { min: 0 })

  /** Newest first. A retired secret has been replaced by a newer one. */
  let known: readonly { readonly secret: Secret; readonly retiredAtMs?: number }[] = []
  let loadedAtMs = Number.NEGATIVE_INFINITY
  let askedAtMs = Number.NEGATIVE_INFINITY
  let isSuspect = false
  let isFailing = false
  let startedReads = 0
  let usedRead = 0
  /** Shared by all callers. After a failure, they get the same error until `minIntervalMs` has passed. */
  let loading = Promise.resolve()

  function reload(): void {
    askedAtMs = now()
    // A mismatch during this read sets it to true again, because the read may have missed the new secret.
    isSuspect = false
    startedReads += 1
    const number = startedReads
    loading = read(number)
    loading.catch((error) => keepKnown(error, number))
  }

  async function read(number: number): Promise<void> {
    const loaded = await load()
    if (isUnsetSecret(loaded)) throw new Error('load returned no secret.')
    // A partial secret, from a file that is still being written, must not replace a valid one.
    parseSecrets(loaded ?? undefined)
    // A slow read must not overwrite the result of a later one.
    if (number < usedRead) return
    usedRead = number
    loadedAtMs = now()
    isFailing = false
    known = typeof loaded === 'string' ? withEarlier(loaded) : Array.from(loaded ?? [], (secret) => ({ secret }))
  }

  function withEarlier(loaded: Secret): typeof known {
    const earlier = known
      .filter(({ secret }) => secret !== loaded)
      .map(({ secret, retiredAtMs = loadedAtMs }) => ({ secret, retiredAtMs }))
    return [{ secret: loaded }, ...earlier].slice(0, maxSecrets)
  }

  function keepKnown(error: unknown, number: number): void {
    if (number < usedRead) return
    isSuspect = true
    // Without known secrets, `secret` rejects and the receiver reports the failure.
    if (isFailing || known.length === 0) return
    isFailing = true
    // A hook that throws or rejects must not end the process.
    new Promise((resolve) => resolve(onError(error))).catch(() => {})
  }

  function mayReload(): boolean {
    return now() - askedAtMs >= minIntervalMs
  }

  async function secret(): Promise<readonly Secret[]> {
    if ((isSuspect || now() - loadedAtMs >= maxAgeMs) && mayReload()) reload()
    if (known.length === 0) await loading
    return known
      .filter(({ retiredAtMs }) => retiredAtMs === undefined || now() - retiredAtMs < overlapMs)
      .map((entry) => entry.secret)
  }

  function onDelivery({ result }: { readonly result: string }): void {
    if (result !== 'signature_mismatch') return
    isSuspect = true
    if (mayReload()) reload()
  }

  return { secret, onDelivery }
}

function warn(error: unknown): void {
  process.emitWarning('The signing secret could not be reloaded. The current one stays in use.', {
    type: 'ScrapeNestWebhooks',
    detail: inspect(error),
  })
}

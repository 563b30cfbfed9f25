import { checkWholeNumber, unexpected } from '../check.ts'
import { maxSecrets, type Secret, type SecretResult } from './secret.ts'

export interface RotatingSecretOptions {
  /** Reads the current secret, or several, from where you keep them: a file, a database, a secret manager. */
  readonly load: () => SecretResult | Promise<SecretResult>
  /**
   * How long a secret stays accepted after `load` stopped returning it, in milliseconds.
   * @default 86400000 (a day): a longer overlap keeps a leaked secret alive for longer
   */
  readonly overlapMs?: number
  /** Maximum age of the secrets before `load` is called again, in milliseconds. @default 60000 */
  readonly maxAgeMs?: number
  /**
   * Minimum time between two calls of `load`, in milliseconds. Forged deliveries mismatch too, and must not make us
   * query your store for each.
   * @default 1000
   */
  readonly minIntervalMs?: number
  /** The clock, in milliseconds since 1970. @default Date.now */
  readonly now?: () => number
}

export interface RotatingSecret {
  /** The receiver's option of this name. */
  readonly secret: () => Promise<readonly Secret[]>
  /**
   * The receiver's option of this name: after a mismatch the secret is read again, so that the sender's retry passes.
   */
  readonly onDelivery: (outcome: { readonly result: string }) => void
}

/**
 * A receiver's secret that can be rotated while deliveries arrive. Secrets that `load` returned earlier stay valid for
 * `overlapMs`. A signature that matches none of them triggers `load` at once, at most every `minIntervalMs`.
 *
 * If ScrapeNest signs with both secrets during the rotation, no delivery is refused. If it switches at one moment, the
 * deliveries between that moment and the update of your store are refused once and pass when ScrapeNest retries them.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 *
 * @example
 * const load = async () => (await readFile('/run/secrets/scrapenest', 'utf8')).trim()
 * await app.register(scrapenestWebhooks, { path, ...rotatingSecret({ load }), onEvent })
 */
export function rotatingSecret(options: RotatingSecretOptions): RotatingSecret {
  const { load, now = () => Date.now() } = options
  if (typeof load !== 'function') throw unexpected('load', load, 'a function')
  const overlapMs = checkWholeNumber('overlapMs', options.overlapMs ?? 86_400_000, { min: 0 })
  const maxAgeMs = checkWholeNumber('maxAgeMs', options.maxAgeMs ?? 60_000, { min: 0 })
  const minIntervalMs = checkWholeNumber('minIntervalMs', options.minIntervalMs ?? 1_000, { min: 0 })

  /** Newest first. A secret that `load` no longer returns is retired. */
  let known: readonly { readonly secret: Secret; readonly retiredAtMs?: number }[] = []
  let loadedAtMs = Number.NEGATIVE_INFINITY
  let askedAtMs = Number.NEGATIVE_INFINITY
  let isSuspect = false
  /** Shared by all callers. After a failure, they get the same failure until `minIntervalMs` has passed. */
  let loading = Promise.resolve()

  function reload(): void {
    askedAtMs = now()
    loading = read()
    // If no one awaits it, its rejection must not end the process.
    loading.catch(() => {})
  }

  async function read(): Promise<void> {
    const loaded = [await load()].flat().filter((secret) => typeof secret === 'string')
    if (loaded.length === 0) throw new Error('load returned no secret.')
    loadedAtMs = now()
    isSuspect = false
    const retired = known
      .filter(({ secret }) => !loaded.includes(secret))
      .map(({ secret, retiredAtMs = loadedAtMs }) => ({ secret, retiredAtMs }))
    known = [...loaded.map((secret) => ({ secret })), ...retired].slice(0, maxSecrets)
  }

  function mayReload(): boolean {
    return now() - askedAtMs >= minIntervalMs
  }

  async function secret(): Promise<readonly Secret[]> {
    if ((isSuspect || now() - loadedAtMs >= maxAgeMs) && mayReload()) reload()
    // A slow or unavailable store does not delay what the known secrets verify, except after a mismatch.
    if (known.length === 0) await loading
    else if (isSuspect) await loading.catch(() => {})
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

import type { DeliveryOutcome, Secret, SecretResult } from '@scrapenest-webhooks/core'
import { checkWholeNumber } from '@scrapenest-webhooks/core/adapter'

export interface RotatingSecretOptions {
  /** Reads the current secret, or several, from where you keep them: a file, a database, a secret manager. */
  readonly load: () => SecretResult | Promise<SecretResult>
  /**
   * How long a secret is still accepted after `load` stopped giving it, in milliseconds.
   * @default 86400000 (a day): longer keeps a leaked secret alive for longer
   */
  readonly overlapMs?: number
  /** How old the answer of `load` may be, in milliseconds. @default 60000 */
  readonly maxAgeMs?: number
  /**
   * The shortest time between two calls of `load`, in milliseconds. A stranger's forgeries mismatch too; they must not
   * become a load on your store.
   * @default 1000
   */
  readonly minIntervalMs?: number
  /** The clock, in milliseconds since 1970. @default Date.now */
  readonly now?: () => number
}

export interface RotatingSecret {
  /** The receiver's option of this name. */
  readonly secret: () => Promise<readonly Secret[]>
  /** The receiver's option of this name: a mismatch has the secret read again, so that the sender's retry passes. */
  readonly onDelivery: (outcome: Pick<DeliveryOutcome, 'result'>) => void
}

/** As many as a receiver takes. */
const maxSecrets = 8

/**
 * A receiver's secret that may be rotated while deliveries arrive: what `load` gave before stays valid for `overlapMs`,
 * and a signature that matches none of them has `load` asked again at once, at most every `minIntervalMs`.
 *
 * Where ScrapeNest signs with old and new, no delivery is refused. Where it changes over in one moment, the deliveries
 * between that moment and your store's update are refused once, and pass when ScrapeNest sends them again.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 *
 * @example
 * const rotating = rotatingSecret({ load: () => readFile('/run/secrets/scrapenest', 'utf8').then((text) => text.trim()) })
 * await app.register(scrapenestWebhooks, { path, ...rotating, onEvent })
 */
export function rotatingSecret(options: RotatingSecretOptions): RotatingSecret {
  const { load, now = Date.now } = options
  const overlapMs = checkWholeNumber('overlapMs', options.overlapMs ?? 86_400_000, { min: 0 })
  const maxAgeMs = checkWholeNumber('maxAgeMs', options.maxAgeMs ?? 60_000, { min: 0 })
  const minIntervalMs = checkWholeNumber('minIntervalMs', options.minIntervalMs ?? 1_000, { min: 0 })

  /** Newest first. A secret that `load` no longer gives is retired. */
  let known: readonly { readonly secret: Secret; readonly retiredAtMs?: number }[] = []
  let loadedAtMs = Number.NEGATIVE_INFINITY
  let askedAtMs = Number.NEGATIVE_INFINITY
  let isSuspect = false
  /** All who ask at once share one call; a failed one stays until the next may be made. */
  let loading = Promise.resolve()

  function refresh(): Promise<void> {
    askedAtMs = now()
    loading = read()
    // Whoever awaits it hears of the failure; where nobody does, it must not end the process.
    loading.catch(() => {})
    return loading
  }

  async function read(): Promise<void> {
    const given = [await load()].flat().filter((secret) => typeof secret === 'string')
    if (given.length === 0) throw new Error('load gave no secret.')
    loadedAtMs = now()
    isSuspect = false
    const retired = known
      .filter(({ secret }) => !given.includes(secret))
      .map(({ secret, retiredAtMs = loadedAtMs }) => ({ secret, retiredAtMs }))
    known = [...given.map((secret) => ({ secret })), ...retired].slice(0, maxSecrets)
  }

  function mayAsk(): boolean {
    return now() - askedAtMs >= minIntervalMs
  }

  async function secret(): Promise<readonly Secret[]> {
    if ((isSuspect || now() - loadedAtMs >= maxAgeMs) && mayAsk()) void refresh()
    // A store that is slow or out of reach must not hold up what the known secrets verify.
    if (known.length === 0) await loading
    else if (isSuspect) await loading.catch(() => {})
    return known
      .filter(({ retiredAtMs }) => retiredAtMs === undefined || now() - retiredAtMs < overlapMs)
      .map((entry) => entry.secret)
  }

  function onDelivery({ result }: Pick<DeliveryOutcome, 'result'>): void {
    if (result !== 'signature_mismatch') return
    isSuspect = true
    if (mayAsk()) void refresh()
  }

  return { secret, onDelivery }
}

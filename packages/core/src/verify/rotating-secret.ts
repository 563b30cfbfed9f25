import { inspect } from 'node:util'
import { checkHooks, checkWholeNumber, unexpected } from '../check.ts'
import { isUnsetSecret, maxSecrets, parseSecrets, type Secret, type SecretResult } from './secret.ts'

export interface RotatingSecretOptions {
  /**
   * Reads the secret from where you keep it: a file, a database, a secret manager. A list is authoritative: a secret that
   * is not in it is refused from then on.
   */
  readonly load: () => SecretResult | Promise<SecretResult>
  /**
   * How long earlier secrets stay accepted after `load` returned a single new one, in milliseconds.
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
  /**
   * Called when `load` fails, or returns something that is not a secret, while earlier secrets stay in use. Called once
   * until a reload succeeds again. Without earlier secrets, deliveries fail and the receiver reports that.
   * @default a warning of the process
   */
  readonly onError?: (error: unknown) => unknown
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
 * A receiver's secret that can be rotated while deliveries arrive. A signature that matches none of the known secrets
 * triggers `load` at once, at most every `minIntervalMs`. Once there are secrets, no delivery waits for `load`: anyone can
 * send a signature that does not match, and must not make genuine deliveries wait for your store.
 *
 * If ScrapeNest signs with both secrets during the rotation, no delivery is refused. If it switches at one moment, the
 * deliveries between that moment and the reload are refused once and pass when ScrapeNest retries them.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 *
 * @example
 * const load = async () => (await readFile('/run/secrets/scrapenest', 'utf8')).trim()
 * await app.register(scrapenestWebhooks, { path, ...rotatingSecret({ load }), onEvent })
 */
export function rotatingSecret(options: RotatingSecretOptions): RotatingSecret {
  const { load, onError = warn, now = () => Date.now() } = options
  if (typeof load !== 'function') throw unexpected('load', load, 'a function')
  checkHooks(options, ['onError'])
  const overlapMs = checkWholeNumber('overlapMs', options.overlapMs ?? 86_400_000, { min: 0 })
  const maxAgeMs = checkWholeNumber('maxAgeMs', options.maxAgeMs ?? 60_000, { min: 0 })
  const minIntervalMs = checkWholeNumber('minIntervalMs', options.minIntervalMs ?? 1_000, { min: 0 })

  /** Newest first. A retired secret was followed by another one. */
  let known: readonly { readonly secret: Secret; readonly retiredAtMs?: number }[] = []
  let loadedAtMs = Number.NEGATIVE_INFINITY
  let askedAtMs = Number.NEGATIVE_INFINITY
  let isSuspect = false
  let isFailing = false
  let startedReads = 0
  let usedRead = 0
  /** Shared by all callers. After a failure, they get the same failure until `minIntervalMs` has passed. */
  let loading = Promise.resolve()

  function reload(): void {
    askedAtMs = now()
    // A mismatch during the read sets it again: the read may have missed the new secret.
    isSuspect = false
    startedReads += 1
    const number = startedReads
    loading = read(number)
    loading.catch((error) => keepKnown(error, number))
  }

  async function read(number: number): Promise<void> {
    const loaded = await load()
    if (isUnsetSecret(loaded)) throw new Error('load returned no secret.')
    // Half a secret, from a file that is being written, must not replace a whole one.
    parseSecrets(loaded ?? undefined)
    // A slow read must not bring back what a later one replaced.
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
    // Without known secrets the receiver reports the failure, because `secret` rejects with it.
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
  process.emitWarning('The signing secret could not be reloaded. The known one stays in use.', {
    type: 'ScrapeNestWebhooks',
    detail: inspect(error),
  })
}

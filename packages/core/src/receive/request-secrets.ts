import { asWebhookError, type ConfigurationError } from '../errors.ts'
import {
  isUnsetSecret,
  parseSecrets,
  type Secret,
  type SecretResult,
  type SigningSecret,
  unsetSecret,
} from '../verify/secret.ts'
import type { WebhookRequest } from './request.ts'

/**
 * Looks up the secrets of one request, for example by tenant. If there are none (`undefined`, `null`, `''`, `[]`), the
 * delivery is refused like one with a bad signature. If it throws, or does not answer in time, the sender is asked to
 * retry.
 */
export type SecretResolver<Context> = (
  request: WebhookRequest,
  context: Context | undefined,
) => SecretResult | Promise<SecretResult>

/** The `secret` option: a secret, a list during a rotation, or a function. */
export type SecretOption<Context> = Secret | readonly (Secret | undefined)[] | SecretResolver<Context> | undefined

/** The secrets of each request. */
export interface RequestSecrets<Context> {
  /**
   * @returns nothing if the secret function finds none.
   * @throws {WebhookError} `secret_unavailable`, or `configuration_invalid` for a malformed or unset secret.
   */
  readonly find: (
    request: WebhookRequest,
    context: Context | undefined,
  ) => readonly SigningSecret[] | undefined | Promise<readonly SigningSecret[] | undefined>
  /** What `start()` rejects with: the secret is unset, and that is reported late. */
  readonly startError?: ConfigurationError
  /** Whether a secret is shorter than recommended. */
  readonly hasShort: boolean
}

/**
 * Reads the `secret` option. Everything but the result of a function is parsed here, once.
 *
 * @param reportUnset `at once` throws for an unset secret; `late` leaves it to `start()` and the first request.
 * @throws {ConfigurationError} `configuration_invalid`, with the fix.
 */
export function readSecretOption<Context>(
  secret: SecretOption<Context>,
  reportUnset: 'at once' | 'late',
): RequestSecrets<Context> {
  if (typeof secret === 'function') return { find: resolvingWith(secret), hasShort: false }
  if (isUnsetSecret(secret) && reportUnset === 'late') {
    const startError = unsetSecret()
    const find = (): never => {
      throw startError
    }
    return { find, startError, hasShort: false }
  }
  const secrets = parseSecrets(secret)
  return { find: () => secrets, hasShort: secrets.some(({ isShort }) => isShort) }
}

function resolvingWith<Context>(resolve: SecretResolver<Context>): RequestSecrets<Context>['find'] {
  return async (request, context) => {
    let secret: SecretResult
    try {
      secret = await resolve(request, context)
    } catch (error) {
      throw asWebhookError('secret_unavailable', error)
    }
    return isUnsetSecret(secret) ? undefined : parseSecrets(secret as Secret)
  }
}

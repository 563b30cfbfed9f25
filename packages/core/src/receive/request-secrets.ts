import { unexpected } from '../check.ts'
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
 * The secrets of a tenant. Events of different scopes are never duplicates, even with the same id. Without a scope, one
 * tenant could send the id of another tenant's event, and the genuine event would be dropped as a duplicate.
 */
export interface ScopedSecret {
  /** The secret of the tenant, or a list of up to eight during a rotation. */
  readonly secret: SecretResult
  /** Names the tenant. Stored with the event, and passed to handlers as `delivery.scope`. */
  readonly scope: string
}

/**
 * Looks up the secrets of a request, for example by tenant. Returns a secret, a list, or either with a `scope` if several
 * tenants share the receiver. If it returns none (`undefined`, `null`, `''`, `[]`), the delivery is refused as if its
 * signature were wrong. If it throws or does not settle in time, the sender is asked to retry.
 */
export type SecretResolver<Context> = (
  request: WebhookRequest,
  context: Context | undefined,
) => SecretResult | ScopedSecret | Promise<SecretResult | ScopedSecret>

/** The `secret` option: a secret, a list during a rotation, or a function. */
export type SecretOption<Context> = Secret | readonly (Secret | undefined)[] | SecretResolver<Context> | undefined

/** The secrets of one request. */
interface FoundSecrets {
  readonly secrets: readonly SigningSecret[]
  /** Empty without tenants. */
  readonly scope: string
}

/** The secrets of each request. */
export interface RequestSecrets<Context> {
  /**
   * @returns `undefined` if the secret function finds none.
   * @throws {WebhookError} `secret_unavailable`, or `configuration_invalid` for a malformed or unset secret.
   */
  readonly find: (
    request: WebhookRequest,
    context: Context | undefined,
  ) => FoundSecrets | undefined | Promise<FoundSecrets | undefined>
  /** What `start()` rejects with. Set if the secret is unset and `reportUnset` is `late`. */
  readonly startError?: ConfigurationError
  /** Warnings about the secrets, for the operator. Empty if a function looks them up. */
  readonly warnings: readonly string[]
}

/**
 * Reads the `secret` option. Parses everything here, once, except the results of a function.
 *
 * @param reportUnset `at once` throws for an unset secret. `late` leaves it to `start()` and the first request.
 * @throws {ConfigurationError} `configuration_invalid`, with the fix.
 */
export function readSecretOption<Context>(
  secret: SecretOption<Context>,
  reportUnset: 'at once' | 'late',
): RequestSecrets<Context> {
  if (typeof secret === 'function') return { find: resolvingWith(secret), warnings: [] }
  if (isUnsetSecret(secret) && reportUnset === 'late') {
    const startError = unsetSecret()
    const find = (): never => {
      throw startError
    }
    return { find, startError, warnings: [] }
  }
  const secrets = parseSecrets(secret)
  const found = { secrets, scope: '' }
  return { find: () => found, warnings: warningsAbout(secrets) }
}

function warningsAbout(secrets: readonly SigningSecret[]): readonly string[] {
  const warnings: string[] = []
  if (secrets.some(({ isShort }) => isShort)) warnings.push('A signing secret is shorter than 24 bytes.')
  if (secrets.some(({ isPublic }) => isPublic)) {
    warnings.push(
      'A signing secret is a placeholder or an example from a guide: anyone can sign with it. For development, ' +
        'generate one with whsec_$(openssl rand -base64 24).',
    )
  }
  return warnings
}

function resolvingWith<Context>(resolve: SecretResolver<Context>): RequestSecrets<Context>['find'] {
  return async (request, context) => {
    let resolved: SecretResult | ScopedSecret
    try {
      resolved = await resolve(request, context)
    } catch (error) {
      throw asWebhookError('secret_unavailable', error)
    }
    const { secret, scope } = isScoped(resolved) ? resolved : { secret: resolved, scope: '' }
    if (typeof scope !== 'string') throw unexpected('scope', scope, 'a string')
    return isUnsetSecret(secret) ? undefined : { secrets: parseSecrets(secret as Secret), scope }
  }
}

function isScoped(resolved: SecretResult | ScopedSecret): resolved is ScopedSecret {
  return typeof resolved === 'object' && resolved !== null && Object.hasOwn(resolved, 'scope')
}

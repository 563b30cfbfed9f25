import { checkKnownOptions } from '@scrapenest-webhooks/core/adapter'

/**
 * The options that a caller set, without a prototype: a polluted `Object.prototype` sets none. Keep it whole, because a
 * rest pattern (`...rest`) creates an object with a prototype.
 *
 * @throws {ConfigurationError} `configuration_invalid` for an unknown option.
 */
export function ownOptions<Options extends object>(
  options: Options,
  known: Readonly<Record<keyof Options & string, true>>,
): Options {
  checkKnownOptions(options, known)
  return Object.assign(Object.create(null), options)
}

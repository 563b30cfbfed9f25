import { checkKnownOptions } from '@scrapenest-webhooks/core/adapter'

/**
 * Copies the options that the caller set to an object without a prototype, so a polluted `Object.prototype` cannot set any.
 * Do not destructure the result with `...rest`, which creates an object with a prototype.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an option is unknown.
 */
export function ownOptions<Options extends object>(
  options: Options,
  known: Readonly<Record<keyof Options & string, true>>,
): Options {
  checkKnownOptions(options, known)
  return Object.assign(Object.create(null), options)
}

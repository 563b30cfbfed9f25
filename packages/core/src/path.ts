import { checkOption } from './check-options.ts'

/**
 * Checks the `path` option of an adapter.
 *
 * @throws {ConfigurationError} `configuration_invalid`: not an absolute path without query.
 */
export function checkPath(path: unknown): string {
  const isRight = typeof path === 'string' && /^\/[^?#\s]*$/.test(path)
  checkOption('path', path, isRight, "an absolute path, such as '/webhooks/scrapenest'")
  return path as string
}

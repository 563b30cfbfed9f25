import { unexpected } from './check-options.ts'

/**
 * Checks the `path` option of an adapter.
 *
 * @throws {ConfigurationError} `configuration_invalid`: not an absolute path without query.
 */
export function checkPath(path: unknown): string {
  if (typeof path === 'string' && /^\/[^?#\s]*$/.test(path)) return path
  throw unexpected('path', path, "an absolute path, such as '/webhooks/scrapenest'")
}

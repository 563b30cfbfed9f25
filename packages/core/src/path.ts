import { ConfigurationError } from './errors.ts'

/**
 * Checks the `path` option of an adapter.
 *
 * @throws {ConfigurationError} `configuration_invalid`: not an absolute path without query.
 */
export function checkPath(path: unknown): string {
  if (typeof path === 'string' && /^\/[^?#\s]*$/.test(path)) return path
  throw new ConfigurationError(
    `Expected path to be the absolute path of the endpoint, such as '/webhooks/scrapenest', got ${JSON.stringify(path)}.`,
  )
}

import { isAbsolute } from 'node:path'
import { ConfigurationError } from '@scrapenest-webhooks/core'

/**
 * Checks where a download is to be written, before anything is requested.
 *
 * A relative path may begin with `..`, but not go up again after a name: that is what `data/${job_id}.png` becomes if an
 * event says `../../etc/x`. An absolute path may, because `${import.meta.dirname}/../data` is a common way to write one.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 */
export function checkTargetPath(to: unknown): string {
  if (typeof to !== 'string' || to === '') throw new ConfigurationError('Expected `to` to be the path of a file.')
  const segments = to.split(/[\\/]/)
  const firstName = segments.findIndex((segment) => !['', '.', '..'].includes(segment))
  if (isAbsolute(to) || firstName < 0 || !segments.includes('..', firstName)) return to
  throw new ConfigurationError(
    `Expected \`to\` not to go up after a name, got ${JSON.stringify(to)}. If part of it is from an event, escape that with ` +
      'encodeURIComponent. If you mean it, pass path.resolve(to).',
  )
}

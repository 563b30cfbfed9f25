import { isAbsolute } from 'node:path'
import { ConfigurationError } from '@scrapenest-webhooks/core'

/**
 * The path to write. A relative path is confined to its first named directory, so `data/${job_id}.png` stays in `data` even
 * if the job id in an event is `../../etc/x`. A `..` that would leave the directory is ignored, as at the root of a file
 * system, and a warning is emitted. A leading `..` is allowed. An absolute path is not confined, because
 * `${import.meta.dirname}/../data` is a common way to write one.
 *
 * @throws {ConfigurationError} `configuration_invalid`: not the path of a file.
 */
export function confineTargetPath(to: unknown): string {
  if (typeof to !== 'string' || to === '') throw new ConfigurationError('Expected `to` to be the path of a file.')
  const segments = to.split(/[\\/]/)
  const root = segments.findIndex((segment) => !['', '.', '..'].includes(segment)) + 1
  if (isAbsolute(to) || root === 0) return to
  const below: string[] = []
  let leaves = false
  for (const segment of segments.slice(root)) {
    if (segment === '..') leaves = below.pop() === undefined || leaves
    else if (segment !== '' && segment !== '.') below.push(segment)
  }
  if (!leaves) return to
  if (below.length === 0) throw new ConfigurationError('Expected `to` to be the path of a file.')
  const confined = [...segments.slice(0, root), ...below].join('/')
  const fix = 'Escape event data with encodeURIComponent. If you mean the other path, pass path.resolve(to).'
  process.emitWarning(`The path of a download leaves its directory. It is written to ${confined} instead. ${fix}`, {
    type: 'ScrapeNestWarning',
    code: 'SCRAPENEST_PATH_CONFINED',
  })
  return confined
}
